"""Where the museum's mistakes were published or asked about: read, and put in our words."""

from typing import NamedTuple

GITHUB = "https://github.com/"


class Source(NamedTuple):
    """An issue or a pull request on GitHub, its year, and what was said there, in our words."""

    path: str
    year: int
    said: str

    @property
    def link(self) -> str:
        """Its address."""
        return GITHUB + self.path

    def __str__(self) -> str:
        repository, kind, number = self.path.rsplit("/", 2)
        return f"{repository}, {'issue' if kind == 'issues' else 'pull request'} {number} ({self.year}): {self.said}"


SOURCES = {
    "mean over pixels": (
        Source(
            "keras-team/keras/pull/3383",
            2016,
            "Keras' example drew the same image for every code, since the cross-entropy had become a mean over "
            "pixels; the fix multiplies by their number",
        ),
        Source(
            "zdebruine/MMVAE/pull/19",
            2024,
            "the squared error was a mean, the KL a sum, and the KL fell to 0 within a few epochs",
        ),
    ),
    "a sign in the KL": (
        Source(
            "FluxML/model-zoo/pull/147",
            2019,
            "log sigma entered the KL of the VAE example with the wrong sign, next to another mistake already mended",
        ),
    ),
    "logvar taken for std": (
        Source(
            "rachtsingh/ibp_vae/issues/3",
            2019,
            "the noise is multiplied by exp(logvar), the variance; with the std the reported bounds change",
        ),
        Source(
            "keras-team/keras/pull/9972",
            2018,
            "the same in an example of Keras; closed with the remark that the scale of a layer's output is irrelevant",
        ),
    ),
    "sigmoid twice": (
        Source(
            "yudi-mars/daisyRec/pull/15",
            2023,
            "a sigmoid before a loss that has one; without it the loss converges",
        ),
        Source(
            "FluxML/model-zoo/pull/289",
            2021,
            "the neighbouring mistake: after the sigmoid had moved into the loss, the VAE's plots lacked one, and "
            "came out grey",
        ),
    ),
    "noisy target": (
        Source(
            "pkmital/tensorflow_tutorials/issues/21",
            2016,
            "the denoising example's cost is taken against the noisy input; fixed",
        ),
        Source(
            "aapatel09/handson-unsupervised-learning/issues/6",
            2020,
            "the noisy images are given to fit as input and as target",
        ),
    ),
    "detach in the wrong half": (
        Source(
            "nikhilsinghmus/image2reverb/issues/37",
            2026,
            "the fakes are detached in the generator's step; the author confirms that it is a bug",
        ),
        Source(
            "yunjey/pytorch-tutorial/issues/56",
            2017,
            "no detach in the discriminator's step: harmless here, says the author, because gradients are cleared "
            "before the generator's",
        ),
    ),
    "samples without eval()": (
        Source(
            "soumith/dcgan.torch/issues/19",
            2016,
            "the image made from a noise vector depends on the other vectors in the batch",
        ),
        Source(
            "sdv-dev/SDGym/issues/22",
            2020,
            "no eval() before sampling; introduced when the code was refactored, says a maintainer",
        ),
    ),
    "the same shuffle each epoch": (
        Source(
            "pytorch/pytorch/issues/31771",
            2020,
            "DistributedSampler gives the same order in every epoch unless its epoch is set",
        ),
        Source("huggingface/transformers/issues/4398", 2020, "a trainer that did not set it"),
    ),
    "test data in the training mean": (
        Source("d2l-ai/d2l-en/pull/1595", 2021, "mean and standard deviation are now those of the training rows alone"),
        Source(
            "EricGuo5513/HumanML3D/issues/28",
            2023,
            "both were computed on all data; the author thinks the effect is small",
        ),
    ),
    "a batch of one": (
        Source(
            "fastai/fastai/issues/1352",
            2018,
            "an error at the end of the first epoch: the last batch had one image",
        ),
        Source("scverse/scvi-tools/issues/2314", 2023, "the same in a VAE for cells; another batch size avoids it"),
    ),
    "a factor in the KL": (
        Source("SupaeroDataScience/deep-learning/pull/6", 2024, "a course's notebook had forgotten a 1/2 in the KL"),
    ),
    "KL times a one-hot label": (
        Source(
            "EDAPINENUT/GNTPP/issues/4",
            2023,
            "the KL is summed over the whole tensor, and then multiplied by the one-hot types; fixed",
        ),
    ),
    "evaluation in training mode": (
        Source(
            "fxia22/pointnet.pytorch/pull/19",
            2018,
            "the test loop did not set the evaluation mode that BatchNorm needs",
        ),
        Source("pliang279/MultiBench/issues/26", 2023, "train() was called in the validation function; fixed"),
    ),
    "weights averaged as logarithms": (
        Source(
            "arahuja/generative-tf/issues/1",
            2017,
            "a reader asks whether the mean of the logarithms is taken, and not the logarithm of the mean; no answer",
        ),
        Source(
            "OpenSourceEconomics/respy/pull/288",
            2019,
            "the same in a likelihood of an economic model; mended with logsumexp",
        ),
    ),
    "height and width swapped": (
        Source(
            "luxonis/depthai-python/pull/478",
            2022,
            "width and height were swapped in a reshape, which square images never showed",
        ),
        Source(
            "jindongwang/Pytorch-CapsuleNet/issues/4",
            2019,
            "a decoder with height times height outputs; a typo, the author agrees",
        ),
    ),
    "the label is ignored": (
        Source(
            "ratschlab/RGAN/issues/13",
            2017,
            "the conditional input was built, and then the other one used; the author had been looking for it for ages",
        ),
    ),
    "layers in a list": (
        Source(
            "pytorch/pytorch/issues/715",
            2017,
            "parameters of layers in a Python list are not found; nn.ModuleList is the answer",
        ),
    ),
}
