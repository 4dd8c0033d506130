"""The networks of the speed benchmark, with the same layers and losses in Keras and in plain PyTorch."""

from dataclasses import dataclass
from itertools import pairwise

LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Network:
    """A variational autoencoder: the 400-unit MLP of Kingma & Welling 2014, or `conv_vae`.

    Args:
        input_shape: of one image.
        latent_dim: dimensions of z.
        filters: of the strided convolutions, kernel 4, SiLU; none makes it the MLP, ReLU.
        units: of the dense row before the code.
        likelihood: "bernoulli", or "gaussian" of sigma 1.
    """

    input_shape: tuple[int, int, int]
    latent_dim: int
    filters: tuple[int, ...]
    units: int
    likelihood: str

    @property
    def spec(self):
        """The `keras_ae.Spec`."""
        import keras_ae

        if self.filters:
            options = {"input_shape": self.input_shape, "latent_dim": self.latent_dim, "likelihood": self.likelihood}
            return keras_ae.spec("conv_vae", **options)
        rows = (keras_ae.Flatten(), keras_ae.Dense(self.units, "relu"))
        return keras_ae.Spec(self.input_shape, rows, keras_ae.Gaussian(self.latent_dim), self.likelihood)

    @property
    def flops(self) -> int:
        """Floating-point operations of a training step for an image: products and convolutions, with their gradients.

        Nothing needs the gradient by the image itself.
        """
        side, _, channels = self.input_shape
        widths = (channels, *self.filters)
        sides = [side // 2**number for number in range(1, len(widths))]
        ways = [out**2 * 4**2 * i * o for out, (i, o) in zip(sides, pairwise(widths), strict=True)]
        flat = widths[-1] * (sides or [side])[-1] ** 2
        ways.append(flat * self.units)
        multiplications = 2 * sum(ways) + 3 * self.latent_dim * self.units  # Two ways of rows, two heads, and one code.
        return 2 * (3 * multiplications - ways[0])

    def torch_parts(self):
        """Return body and heads of the encoder, and the decoder to its logits, as PyTorch modules, channels first."""
        from torch import nn

        side, _, channels = self.input_shape
        if not self.filters:
            values = side * side * channels
            body = nn.Sequential(nn.Flatten(), nn.Linear(values, self.units), nn.ReLU())
            layers = [nn.Linear(self.latent_dim, self.units), nn.ReLU(), nn.Linear(self.units, values)]
            layers.append(nn.Unflatten(1, (channels, side, side)))
        else:
            widths = (channels, *self.filters)
            small = side // 2 ** len(self.filters)
            flat = widths[-1] * small * small
            body, layers = [], []
            for i, o in pairwise(widths):
                body += [nn.Conv2d(i, o, 4, 2, 1), nn.SiLU()]
            body = nn.Sequential(*body, nn.Flatten(), nn.Linear(flat, self.units), nn.SiLU())
            layers = [nn.Linear(self.latent_dim, self.units), nn.SiLU(), nn.Linear(self.units, flat), nn.SiLU()]
            layers.append(nn.Unflatten(1, (widths[-1], small, small)))
            for i, o in zip(widths[:0:-1], widths[-2::-1], strict=True):
                layers += [nn.ConvTranspose2d(i, o, 4, 2, 1), nn.SiLU()]
            layers.pop()
        heads = [nn.Linear(self.units, self.latent_dim) for _ in range(2)]
        return body, heads, nn.Sequential(*layers)


NETWORKS = {
    "mlp, MNIST": Network((28, 28, 1), 20, (), 400, "bernoulli"),
    "conv_vae, MNIST": Network((28, 28, 1), 16, (32, 64), 256, "bernoulli"),
    "conv_vae, CIFAR-10": Network((32, 32, 3), 16, (32, 64, 128), 256, "gaussian"),
}
