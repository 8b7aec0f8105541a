"""One epoch of a VAE through other people's loops and through ours: CPU-seconds, memory and the last loss.

    pip install -r tests/benchmarks/requirements.txt
    OMP_NUM_THREADS=1 python tests/benchmarks/peers.py [NAME …]

All train the same network, 784-400-20, on the same 60,000 grey images with minus the ELBO, Adam at 1e-3 and batches of
64, shuffled; each in a process of its own, after a short epoch to warm up, files read beforehand where the loop reads
them once; the smaller of two. Progress bars, logs and checkpoints are switched off where a loop has a switch. Writes
results/loop_peers.csv. Two minutes of one core.
"""

import logging
import sys
import tempfile
import time

import pandas as pd
import torch
from loop import ALL, RESULTS, alone, loader
from torch.utils.data import DataLoader, TensorDataset

from ae_utils.data.dataset import Batch, Batches
from ae_utils.data.mnist import mnist
from ae_utils.losses.vae import negative_elbo
from ae_utils.recipes.vae import dense_vae
from ae_utils.training.loop import fit
from ae_utils.training.step import GradientStep, adam

BATCH, RATE, LATENT_DIM = 64, 1e-3, 20


def timed(run) -> tuple[float, float]:
    """CPU-seconds of ``run()``, and what it returns: the loss of its last batch."""
    began = time.process_time()
    loss = run()
    return time.process_time() - began, float(loss)


def through_fit(name: str, count: int = ALL) -> tuple[float, float]:
    """Ours."""
    model, train = dense_vae(LATENT_DIM), mnist("train")[:count]
    step = GradientStep(model, negative_elbo, adam(model.parameters(), lr=RATE))
    last = []

    def keep(state):
        last[:] = [state.terms["loss"]]

    def run():
        fit(step, Batches(train, BATCH, shuffle=True), epochs=1, seed=0, on_epoch_end=(keep,))
        return last[0]

    return timed(run)


def through_batches(batches) -> tuple[float, float]:
    """The plain loop over ``batches`` of images and labels."""
    model = dense_vae(LATENT_DIM)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def run():
        for x, label in batches:
            loss = negative_elbo(model, Batch(x, x, label), 0.0)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.detach()

    return timed(run)


def through_tensors(name: str, count: int = ALL) -> tuple[float, float]:
    """A plain loop that cuts its batches out of a tensor."""
    train = mnist("train")[:count]

    def batches():
        for part in torch.randperm(count).split(BATCH):
            yield train.x[part], train.label[part]

    return through_batches(batches())


def tensor_loader(count: int) -> DataLoader:
    """A DataLoader over tensors in memory."""
    train = mnist("train")[:count]
    return DataLoader(TensorDataset(train.x, train.label), batch_size=BATCH, shuffle=True)


def through_tensor_loader(name: str, count: int = ALL) -> tuple[float, float]:
    """A plain loop over a DataLoader over tensors in memory."""
    return through_batches(tensor_loader(count))


def through_published(name: str, count: int = ALL) -> tuple[float, float]:
    """The loop of most tutorials: a DataLoader over torchvision's MNIST with ToTensor."""
    return through_batches(loader(count, BATCH))


def through_lightning(name: str, count: int = ALL) -> tuple[float, float]:
    """Lightning's Trainer over a DataLoader over tensors in memory."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.vae, self.last = dense_vae(LATENT_DIM), torch.zeros(())

        def training_step(self, batch, index):
            x, label = batch
            loss = negative_elbo(self.vae, Batch(x, x, label), 0.0)["loss"]
            self.last = loss.detach()
            return loss

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=RATE)

    module, batches = Module(), tensor_loader(count)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip

    def run():
        trainer.fit(module, batches)
        return module.last

    return timed(run)


def through_pythae(name: str, count: int = ALL) -> tuple[float, float]:
    """pythae's BaseTrainer, with our two networks as its encoder and decoder."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)
    vae, train, last = dense_vae(LATENT_DIM), mnist("train")[:count], []

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.net = vae.encoder

        def forward(self, x):
            mu, logvar = self.net(x).chunk(2, 1)
            return ModelOutput(embedding=mu, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = vae.decoder

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))

    class Remembering(VAE):
        def forward(self, inputs, **options):
            output = super().forward(inputs, **options)
            last[:] = [output.loss.detach()]
            return output

    settings = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT_DIM, reconstruction_loss="bce")
    with tempfile.TemporaryDirectory() as folder:
        trainer = BaseTrainer(
            Remembering(settings, Encoder(), Decoder()), BaseDataset(train.x, train.label),
            training_config=BaseTrainerConfig(
                output_dir=folder, num_epochs=1, learning_rate=RATE, per_device_train_batch_size=BATCH, no_cuda=True
            ),
        )  # fmt: skip

        def run():
            trainer.train()
            return last[0]

        return timed(run)


PEERS = {
    "fit": through_fit,
    "loop over tensors": through_tensors,
    "DataLoader over tensors": through_tensor_loader,
    "Lightning": through_lightning,
    "pythae": through_pythae,
    "published loop": through_published,
}


def main(names: list[str]) -> None:
    """Measure, print and write one row a loop."""
    rounds = [{name: alone(PEERS[name], name) for name in names} for _ in range(2)]
    rows = []
    for name in names:
        seconds, loss = min(each[name][0] for each in rounds)
        rows.append((name, seconds, max(each[name][1] for each in rounds), loss))
        print(f"{name:25} {seconds:5.1f} CPU-s an epoch, loss of the last batch {loss:.1f}", flush=True)
    columns = ("loop", "cpu_seconds", "megabytes", "last_loss")
    pd.DataFrame(rows, columns=columns).to_csv(RESULTS / "loop_peers.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PEERS))
