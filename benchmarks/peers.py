"""The peers of the speed benchmark, in an environment of their own, driven over a pipe: see `speed.py`.

Pythae 0.1.2 (https://github.com/clementchadebec/benchmark_VAE) by its `BaseTrainer.train_step`, an epoch of its
training loop without checkpoints and without the progress bar; and a plain PyTorch loop over a `DataLoader`.
"""

import logging
import tempfile
import time

import numpy as np
import torch
from networks import LEARNING_RATE
from pipe import repeated, serve
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn
from torch.nn import functional

logging.disable(logging.WARNING)


class Encoder(BaseEncoder):
    """A network's encoder as Pythae wants it."""

    def __init__(self, network):
        BaseEncoder.__init__(self)
        self.latent_dim = network.latent_dim
        self.body, (self.mean, self.log_var), _ = network.torch_parts()

    def forward(self, x):
        """Return posterior means and log-variances."""
        h = self.body(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))


class Decoder(BaseDecoder):
    """A network's decoder as Pythae wants it: values in [0, 1] for its "bce"."""

    def __init__(self, network):
        BaseDecoder.__init__(self)
        *_, self.body = network.torch_parts()
        self.last = nn.Sigmoid() if network.likelihood == "bernoulli" else nn.Identity()

    def forward(self, z):
        """Return the reconstruction."""
        return ModelOutput(reconstruction=self.last(self.body(z)))


def pythae_model(network) -> VAE:
    """Return Pythae's VAE of a network."""
    side, _, channels = network.input_shape
    kind = "bce" if network.likelihood == "bernoulli" else "mse"
    config = VAEConfig(input_dim=(channels, side, side), latent_dim=network.latent_dim, reconstruction_loss=kind)
    return VAE(config, encoder=Encoder(network), decoder=Decoder(network))


def pythae_trainer(network, x, batch_size) -> BaseTrainer:
    """Return Pythae's trainer, prepared as its `train` does."""
    config = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=batch_size, learning_rate=LEARNING_RATE, num_epochs=1
    )
    trainer = BaseTrainer(pythae_model(network), BaseDataset(x, torch.ones(len(x))), training_config=config)
    trainer.prepare_training()
    trainer.callback_handler.callbacks = [TrainingCallback()]
    return trainer


def pythae_fit(network, x, batch_size):
    """Return a function that trains by Pythae for an epoch and returns its mean loss."""
    trainer = pythae_trainer(network, x, batch_size)
    return lambda: float(trainer.train_step(1))


def loader_fit(network, x, batch_size):
    """Return a function that trains by a plain loop over a `DataLoader`, loss on logits, and returns its mean loss."""
    encoder, decoder = Encoder(network), Decoder(network).body
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], LEARNING_RATE)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=batch_size, shuffle=True)

    def epoch():
        total = torch.zeros(())
        for (batch,) in loader:
            found = encoder(batch)
            mean, log_var = found.embedding, found.log_covariance
            logits = decoder(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean))
            if network.likelihood == "bernoulli":
                values = functional.binary_cross_entropy_with_logits(logits, batch, reduction="none")
            else:
                values = 0.5 * functional.mse_loss(logits, batch, reduction="none")
            kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)
            loss = (values.flatten(1).sum(1) + kl).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return float(total) / len(loader)

    return epoch


def images(path: str) -> torch.Tensor:
    """Return images, channels first, float32 in [0, 1], which lie as float32, channels last."""
    return torch.from_numpy(np.ascontiguousarray(np.load(path).transpose(0, 3, 1, 2)))


def nll_rate(network, x: str, samples: int, count: int) -> float:
    """Return images per second of `get_nll`, at the fastest of three batch sizes."""
    model, data = pythae_model(network).eval(), images(x)[:count]
    rates = []
    with torch.no_grad():
        for batch_size in (100, 1000, samples):
            started = time.perf_counter()
            model.get_nll(data, n_samples=samples, batch_size=batch_size)
            rates.append(count / (time.perf_counter() - started))
    return max(rates)


def times_to(network, train: str, test: str, batch: int, targets: list[float], started: float, seed: int) -> list:
    """Train until Pythae's own loss on test, after each epoch, is at the last target; seconds and epochs to each."""
    torch.manual_seed(seed)
    trainer, x, found = pythae_trainer(network, images(train), batch), images(test), []
    for epoch in range(1, 201):
        trainer.train_step(epoch)
        with torch.no_grad():
            loss = float(trainer.model.eval()({"data": x}).loss)
        while len(found) < len(targets) and loss <= targets[len(found)]:
            found.append((time.time() - started, epoch))
        if len(found) == len(targets):
            break
    return found


def makers(network, x: str, batch: int) -> dict:
    """Return functions that train for some epochs and return the last one's mean loss, by name."""
    torch.manual_seed(0)
    kinds = {"Pythae": pythae_fit, "DataLoader": loader_fit}
    return {name: repeated(make(network, images(x), batch)) for name, make in kinds.items()}


if __name__ == "__main__":
    versions = {"pythae": "0.1.2", "torch": torch.__version__, "numpy": np.__version__}
    serve(versions, makers, {"nll": nll_rate, "times to": times_to})
