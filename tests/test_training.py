"""The loop: what an epoch is, what it reports, and that nothing looks over its shoulder."""

import platform
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn

from ae_utils.data.dataset import Batches
from ae_utils.data.noise import gaussian
from ae_utils.errors import InvalidInput
from ae_utils.losses.autoencoder import mean_squared_error
from ae_utils.losses.regularized import contractive_sampled, denoising
from ae_utils.models import Autoencoder
from ae_utils.networks.dense import dense_decoder, dense_encoder
from ae_utils.seeds import STREAMS, epoch_seed, own_random_numbers
from ae_utils.training.loop import History, evaluate, fit, flushed_denormals
from ae_utils.training.schedules import constant, linear_decay, one_cycle
from ae_utils.training.step import Diverged, GradientStep, adam, adamw


def small_step(seed=0, lr=1e-3, schedule=constant, noisy=False):
    torch.manual_seed(seed)
    encoder, decoder = dense_encoder((16, 3)), dense_decoder((3, 16))
    if noisy:
        encoder.append(nn.Dropout(0.2))  # draws random numbers in every batch
    model = Autoencoder(encoder, decoder, 3)
    return GradientStep(model, mean_squared_error, adam(model.parameters(), lr=lr), schedule=schedule)


def weights(step):
    return torch.cat([parameter.detach().flatten() for parameter in step.model.parameters()])


def train_small(train, test=None, *, epochs=2, noisy=True, schedule=one_cycle, **options):
    step = small_step(noisy=noisy, schedule=schedule)
    history = fit(step, Batches(train, 64, shuffle=True, seed=0), test, epochs=epochs, seed=0, **options)
    return step, history


def test_training_learns_more_than_the_mean_image(train, test):
    step = small_step(lr=1e-2)
    history = fit(step, Batches(train, 64, shuffle=True), Batches(test, 100), epochs=6, seed=0)
    mean_image_error = float((test.x - train.x.mean(0)).square().mean())
    assert history.last("test")["loss"] < 0.9 * mean_image_error


def test_same_seed_same_bits(train):
    assert torch.equal(weights(train_small(train)[0]), weights(train_small(train)[0]))


def test_stopped_and_resumed_gives_the_bits_of_never_stopped(train):
    never_stopped, _ = train_small(train, epochs=4)

    class Stop(Exception):
        pass

    kept = {}

    def stop_after_two(state):
        if state.epoch == 1:
            kept.update(state=state.step.state_dict(), rows=list(state.history.rows))
            raise Stop

    with pytest.raises(Stop):
        train_small(train, epochs=4, on_epoch_end=(stop_after_two,))
    step = small_step(seed=99, noisy=True, schedule=one_cycle)
    step.load_state_dict(kept["state"])
    batches = Batches(train, 64, shuffle=True, seed=0)
    history = fit(step, batches, epochs=4, seed=0, history=History(kept["rows"]))
    assert torch.equal(weights(step), weights(never_stopped))
    assert history.frame()["epoch"].tolist() == [1, 2, 3, 4]


def test_hooks_and_evaluation_do_not_change_training(train, test):
    def nosy(state):
        torch.randn(1000)

    plain, _ = train_small(train)
    watched, _ = train_small(train, Batches(test, 100), on_batch_end=(nosy,), on_epoch_end=(nosy,))
    assert torch.equal(weights(plain), weights(watched))


def test_initialisation_and_the_streams_of_training_share_no_numbers():
    seeds = list(range(5)) + [
        epoch_seed(seed, epoch, stream) for seed in range(5) for epoch in range(3) for stream in STREAMS
    ]
    drawn = torch.stack([torch.rand(100, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    correlation = torch.corrcoef(drawn).fill_diagonal_(0)
    assert correlation.abs().max() < 0.5  # equal streams have 1


def test_the_weights_do_not_foretell_the_order_of_the_images(train):
    torch.manual_seed(0)
    first = torch.randperm(len(train))
    assert not torch.equal(Batches(train, 64, shuffle=True, seed=0).order(0), first)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1, "epoch": 0}, {"seed": 0, "epoch": -1}, {"seed": 0, "epoch": 0, "stream": "x"}]
)
def test_seeds_that_are_none_get_a_sentence(wrong):
    with pytest.raises(InvalidInput, match="at least 0 and a stream out of noise, shuffle, evaluation, hooks, but got"):
        epoch_seed(**wrong)


def test_own_random_numbers_leave_those_outside_alone():
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    with own_random_numbers(7):
        inside = torch.rand(4)
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(inside, torch.rand(4, generator=torch.Generator().manual_seed(7)))


def test_hooks_receive_how_far_the_training_is(train):
    seen = []
    train_small(train[:100], on_batch_end=(lambda state: seen.append((state.epoch, state.batch, state.progress)),))
    assert seen == [(0, 0, 0.0), (0, 1, 0.25), (1, 0, 0.5), (1, 1, 0.75)]


def test_epoch_means_are_weighted_by_batch_length(train):
    def brightness(model, batch, progress):
        return {"loss": model(batch.x).x_hat.mean() * 0 + batch.x.mean()}

    step = small_step()
    step.objective = brightness
    history = fit(step, Batches(train[:100], 64), epochs=1, seed=0)
    assert history.last()["loss"] == pytest.approx(float(train[:100].x.mean()), rel=1e-6)


def test_zero_epochs_leave_the_weights(train):
    step, history = train_small(train, epochs=0)
    assert torch.equal(weights(step), weights(small_step(noisy=True)))
    assert history.epochs == 0


def test_a_loss_that_is_no_number_stops_before_the_weights_are_touched(train):
    step = small_step()
    before = weights(step)
    step.objective = lambda model, batch, progress: {"loss": model(batch.x).x_hat.mean() * torch.nan}
    with pytest.raises(Diverged, match="nan in epoch 1, batch 1; try a lower learning rate"):
        fit(step, Batches(train, 64), epochs=1, seed=0)
    assert torch.equal(weights(step), before)


def test_one_step_is_what_plain_pytorch_does(train):
    step, by_hand = small_step(), small_step()
    batch = next(iter(Batches(train, 64)))
    step.train(batch, 0.0)
    optimizer = torch.optim.Adam(by_hand.model.parameters(), lr=1e-3, fused=step.optimizer.defaults["fused"])
    loss = ((by_hand.model(batch.x).x_hat - batch.target) ** 2).mean()
    loss.backward()
    optimizer.step()
    assert torch.equal(weights(step), weights(by_hand))


def test_evaluation_leaves_weights_and_gradients(train):
    step = small_step()
    before = weights(step)
    step.evaluate(next(iter(Batches(train, 64))))
    assert torch.equal(weights(step), before)
    assert all(parameter.grad is None for parameter in step.model.parameters())


def test_schedules_are_functions_of_progress():
    assert one_cycle(0) == pytest.approx(1 / 25)
    assert one_cycle(0.3) == pytest.approx(1)
    assert one_cycle(1) == pytest.approx(1e-4)
    assert linear_decay(0.25) == 1
    assert linear_decay(0.75) == pytest.approx(0.5)
    assert constant(0.9) == 1


def test_schedule_scales_the_learning_rate(train):
    step = small_step(lr=0.5, schedule=linear_decay)
    batch = next(iter(Batches(train, 64)))
    step.train(batch, 0.75)
    assert step.optimizer.param_groups[0]["lr"] == pytest.approx(0.25)
    step.train(batch, 0.0)
    assert step.optimizer.param_groups[0]["lr"] == 0.5


def test_decoded_images_lie_between_zero_and_one(test):
    signed = Autoencoder(dense_encoder((3,)), dense_decoder((3,), last=nn.Tanh), 3, pixel_range=(-1, 1))
    unit = Autoencoder(dense_encoder((3,)), dense_decoder((3,), last=nn.Identity), 3)
    for model in (signed, unit):
        images = model.decode(50 * torch.randn(20, 3))
        assert images.shape == (20, 1, 28, 28)
        assert 0 <= images.min() < 0.1
        assert 0.9 < images.max() <= 1


def test_the_published_loss_is_the_mean_over_pixels(test):
    step = small_step()
    batch = next(iter(Batches(test, 500)))
    loss = mean_squared_error(step.model, batch, 0.0)["loss"]
    assert loss.item() == pytest.approx(float((step.model(batch.x).x_hat - batch.x).detach().square().mean()), rel=1e-5)


def test_hooks_of_a_generator_run_in_every_epoch(train):
    seen = []
    hooks = {
        "on_batch_end": (hook for hook in (lambda state: seen.append("batch"),)),
        "on_epoch_end": (hook for hook in (lambda state: seen.append("epoch"),)),
    }
    train_small(train[:100], epochs=3, **hooks)
    assert seen == ["batch", "batch", "epoch"] * 3


def test_adamw_decays_only_where_it_is_asked_to_and_says_so():
    def decay(**options):
        return adamw([nn.Parameter(torch.ones(1))], **options).param_groups[0]["weight_decay"]

    assert decay() == 0 and decay(weight_decay=0.1) == 0.1
    assert "The default decay is 0" in adamw.__doc__


def test_fit_says_where_the_same_seed_gives_the_same_bits():
    said = " ".join(fit.__doc__.split())
    assert "on a CPU, with the same machine, versions and number of threads" in said


def test_one_cycle_is_pytorchs_own():
    """There the rise of 30 of 100 steps ends at pct_start · total_steps - 1."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=101, pct_start=31 / 101, div_factor=25, final_div_factor=400
    )
    for step in range(101):
        assert one_cycle(step / 100) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6), step
        optimizer.step()
        theirs.step() if step < 100 else None


def test_a_cycle_without_a_rise_starts_at_the_top():
    assert one_cycle(0.0, warmup=0.0) == 1


def test_linear_decay_begins_where_it_is_asked_to():
    assert linear_decay(0.8, begin=0.8) == pytest.approx(1)
    assert linear_decay(0.9, begin=0.8) == pytest.approx(0.5)
    assert linear_decay(1.0) == 0


@pytest.mark.parametrize("optimizer", [adam, adamw])
def test_optimizers_take_pytorchs_rate_and_no_decay_by_default(optimizer):
    options = optimizer([nn.Parameter(torch.ones(1))]).param_groups[0]
    assert (options["lr"], options["weight_decay"]) == (torch.optim.Adam([torch.ones(1)]).defaults["lr"], 0)


def test_optimizers_are_fused_where_pytorch_has_the_kernel():
    assert adam([nn.Parameter(torch.ones(1))]).param_groups[0]["fused"] is True


def test_optimizers_do_without_the_kernel_where_there_is_none(monkeypatch):
    class Older(torch.optim.Adam):
        def __init__(self, parameters, *, fused=None, **options):
            if fused:
                raise RuntimeError("`fused=True` requires all the params to be on another device")
            super().__init__(parameters, **options)

    monkeypatch.setattr(torch.optim, "Adam", Older)
    parameters = (nn.Parameter(torch.ones(1)) for _ in range(2))  # which can be read once only
    assert len(adam(parameters).param_groups[0]["params"]) == 2


def test_the_schedule_scales_the_rate_of_each_group(train):
    step = small_step(schedule=linear_decay)
    parts = [
        {"params": part.parameters(), "lr": lr} for part, lr in ((step.model.encoder, 0.4), (step.model.decoder, 0.2))
    ]
    step = GradientStep(step.model, mean_squared_error, torch.optim.SGD(parts), schedule=linear_decay)
    step.train(next(iter(Batches(train, 64))), 0.75)
    assert [group["lr"] for group in step.optimizer.param_groups] == pytest.approx([0.2, 0.1])


def test_an_evaluation_is_one_at_the_end_of_training_without_gradients(train):
    step, seen = small_step(), []

    def objective(model, batch, progress):
        seen.append((progress, torch.is_grad_enabled(), model.training))
        return {"loss": model(batch.x).x_hat.mean()}

    step.objective = objective
    step.evaluate(next(iter(Batches(train, 64))))
    assert seen == [(1.0, False, False)]


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_terms_come_back_without_their_graph(name, train):
    step, batch = small_step(), next(iter(Batches(train, 64)))
    step.objective = partial(contractive_sampled, weight=0.1)  # it takes gradients in evaluation, too
    terms = step.train(batch, 0.5) if name == "train" else step.evaluate(batch)
    assert set(terms) == {"loss", "reconstruction", "jacobian"}
    assert not any(term.requires_grad for term in terms.values())


def test_evaluations_draw_the_numbers_of_their_seed(test):
    step, batches = small_step(), Batches(test, 100)
    step.objective = partial(denoising, corrupt=gaussian)
    one = evaluate(step, batches, seed=1)
    assert evaluate(step, batches) == evaluate(step, batches, seed=0) != one
    history = fit(step, batches, batches, epochs=1, seed=1)
    assert history.rows[1] == {"epoch": 1, "split": "test", **evaluate(step, batches, seed=1)}


def test_a_history_has_a_row_for_each_epoch_and_split(train, test):
    _, history = train_small(train[:100], Batches(test, 250), epochs=3)
    assert [(row["epoch"], row["split"]) for row in history.rows] == [
        (epoch, split) for epoch in (1, 2, 3) for split in ("train", "test")
    ]
    assert history.epochs == 3
    assert history.last() is history.rows[4] and history.last("test") is history.rows[5]


def test_the_batch_that_diverged_is_named(train):
    losses = iter((1.0, 1.0, 1.0, torch.inf))
    step = small_step()
    step.objective = lambda model, batch, progress: {"loss": model(batch.x).x_hat.mean() * next(losses)}
    with pytest.raises(Diverged, match="inf in epoch 2, batch 2;"):
        fit(step, Batches(train[:100], 50), epochs=3, seed=0)


def test_the_epoch_that_diverged_is_named_where_batches_are_not_looked_at(train, monkeypatch):
    monkeypatch.setattr("ae_utils.training.step.raise_if_diverged", lambda name, loss: None)
    losses, step = iter((1.0, 1.0, torch.nan)), small_step()
    step.objective = lambda model, batch, progress: {"loss": model(batch.x).x_hat.mean() * next(losses)}
    with pytest.raises(Diverged, match="the loss became nan in epoch 3;"):
        fit(step, Batches(train[:100], 100), epochs=3, seed=0)


def test_terms_beside_the_loss_may_be_infinite(train):
    step = small_step()
    step.objective = lambda model, batch, progress: {
        **mean_squared_error(model, batch, progress), "kl": torch.tensor(torch.inf), "psnr": torch.tensor(torch.inf)
    }  # fmt: skip
    assert fit(step, Batches(train[:100], 50), epochs=1, seed=0).last()["psnr"] == torch.inf


DENORMAL = 1e-39
needs_flushing = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush denormals")


@needs_flushing
def test_training_takes_denormal_numbers_for_zero_and_nothing_else_does(train):
    def seen(state):
        flushed.append(bool(torch.full((16,), DENORMAL).mul(1.5).eq(0).all()))

    flushed = []
    train_small(train, epochs=1, on_batch_end=(seen,))
    assert flushed and all(flushed)
    assert torch.full((16,), DENORMAL).mul(1.5).ne(0).all()
    with pytest.raises(ZeroDivisionError):
        train_small(train, epochs=1, on_batch_end=(lambda state: 1 / 0,))
    assert torch.full((16,), DENORMAL).mul(1.5).ne(0).all()
    with flushed_denormals(), flushed_denormals():
        pass
    assert torch.full((16,), DENORMAL).mul(1.5).ne(0).all()


@needs_flushing
@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere new threads begin with the system's own mode")
def test_all_threads_take_denormal_numbers_for_zero():
    script = f"""
import torch
torch.set_num_threads(4)
from ae_utils.training.loop import flushed_denormals
with flushed_denormals():
    print(int(torch.full((1 << 20,), {DENORMAL}).mul(1.5).ne(0).sum()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


@needs_flushing
def test_flushing_changes_no_weight_by_more_than_rounding(train):
    with_it, _ = train_small(train)
    without, batches = small_step(noisy=True, schedule=one_cycle), Batches(train, 64, shuffle=True, seed=0)
    fit.__wrapped__(without, batches, epochs=2, seed=0)
    assert torch.allclose(weights(with_it), weights(without), rtol=0, atol=1e-7)
