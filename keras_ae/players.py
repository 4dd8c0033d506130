"""Players of a game: networks of one model that each minimise a loss of their own, by an optimiser of their own."""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import keras


class Player(NamedTuple):
    """Who takes part in the training of a model.

    Attributes:
        loss: the term of the objective that it minimises.
        parts: the model's attributes whose weights it moves; () for the first player, which moves all that are left.
    """

    loss: str
    parts: tuple[str, ...] = ()


@keras.saving.register_keras_serializable("keras_ae")
class GroupedOptimizer(keras.optimizers.Optimizer):
    """An optimiser for each of several groups of weights, as one: a step of all is a step of each.

    `iterations` and `learning_rate` are those of the first; a `learning_rate` that is set is set for all.

    Args:
        optimizers: one for each group.
        groups: the places of each group's weights among those that are trained; each weight belongs to one group.

    Raises:
        ValueError: as many optimisers as groups there are not.
    """

    def __init__(self, optimizers: Sequence, groups: Sequence[Sequence[int]], name: str = "grouped", **kwargs):
        super().__init__(learning_rate=0.0, name=name, **kwargs)
        if len(optimizers) != len(groups):
            raise ValueError(f"GroupedOptimizer has {len(optimizers)} optimizers for {len(groups)} groups.")
        self.optimizers = list(optimizers)
        self.groups = [list(map(int, group)) for group in groups]

    def build(self, variables):
        """Called by Keras: build each optimiser for its group.

        Raises:
            ValueError: a weight that is in no group, or in two.
        """
        variables = list(variables)
        if sorted(place for group in self.groups for place in group) != list(range(len(variables))):
            raise ValueError(
                f"The groups have {sum(map(len, self.groups))} weights and the model trains {len(variables)}. Compile "
                "the model anew after what it trains has changed."
            )
        for optimizer, group in zip(self.optimizers, self.groups, strict=True):
            optimizer.build([variables[place] for place in group])
        self.trained = lambda: variables  # Kept from Keras, which would count a list of variables as its own.
        super().build(variables)

    @property
    def variables(self) -> list:
        """The state of all optimisers."""
        of_each = [variable for optimizer in getattr(self, "optimizers", ()) for variable in optimizer.variables]
        return [*super().variables, *of_each]

    @property
    def iterations(self):
        """The number of steps that were taken."""
        return self.optimizers[0].iterations

    @property
    def learning_rate(self):
        """That of the first optimiser."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        for optimizer in self.optimizers:
            optimizer.learning_rate = value

    def apply(self, grads, trainable_variables=None):
        """Take a step of each optimiser by the gradients of its group."""
        if not self.built:
            self.build(trainable_variables)
        variables = self.trained() if trainable_variables is None else list(trainable_variables)
        for optimizer, group in zip(self.optimizers, self.groups, strict=True):
            optimizer.apply([grads[place] for place in group], [variables[place] for place in group])

    def finalize_variable_values(self, var_list):
        """Called by Keras at the end of `fit`."""
        for optimizer, group in zip(self.optimizers, self.groups, strict=True):
            optimizer.finalize_variable_values([var_list[place] for place in group])

    def save_own_variables(self, store):
        """Called by Keras, which saves the optimisers by themselves: there is nothing else."""

    def load_own_variables(self, store):
        """Called by Keras."""

    def get_config(self) -> dict:
        """Return the arguments."""
        optimizers = [keras.saving.serialize_keras_object(each) for each in self.optimizers]
        return {"name": self.name, "optimizers": optimizers, "groups": self.groups}

    @classmethod
    def from_config(cls, config: dict, custom_objects=None) -> "GroupedOptimizer":
        """Rebuild an optimiser from `get_config`."""
        optimizers = [keras.saving.deserialize_keras_object(each, custom_objects) for each in config["optimizers"]]
        return cls(**config | {"optimizers": optimizers})


def members(optimizer) -> list:
    """The optimisers that an optimiser is made of: its inner one, those of groups, or itself."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return list(getattr(inner, "optimizers", [inner]))


class Playing:
    """The players of an `Autoencoder`.

    Attributes:
        players: by name, the first one's loss being "loss". All losses come of one pass through the model, and each
            player's gradient is that of its own loss by its own weights. One player is plain training.
        adam: options of Adam, beside its learning rate, with which a model trains unless it is given an optimiser.
    """

    players: ClassVar[dict[str, Player]] = {"autoencoder": Player("loss")}
    adam: ClassVar[dict] = {}

    def groups(self) -> dict[str, list[int]]:
        """The places of each player's weights among `trainable_variables`, by the player's name."""
        places = {id(variable): place for place, variable in enumerate(self.trainable_variables)}
        first, *others = self.players
        found = {
            name: [
                places.pop(id(variable))
                for part in self.players[name].parts
                for variable in getattr(self, part).trainable_variables
            ]
            for name in others
        }
        return {first: sorted(places.values())} | found

    def optimizer_of_players(self, optimizer):
        """What `compile` is given, as one optimiser: each player gets its own, by name in a dict, or one like it.

        Raises:
            ValueError: a dict that does not name each player.
        """
        if len(self.players) == 1:
            if isinstance(optimizer, dict) and "class_name" not in optimizer:
                raise ValueError(f"optimizer is a dict of {', '.join(optimizer)}, but this model has one player.")
            return optimizer
        if isinstance(optimizer, GroupedOptimizer | keras.optimizers.LossScaleOptimizer):
            return optimizer
        if not isinstance(optimizer, dict) or "class_name" in optimizer:
            config = keras.saving.serialize_keras_object(keras.optimizers.get(optimizer))
            optimizer = {name: keras.saving.deserialize_keras_object(config) for name in self.players}
        if set(optimizer) != set(self.players):
            raise ValueError(
                f"optimizer names {', '.join(optimizer)}, and the players are {', '.join(self.players)}. Give one each."
            )
        groups = self.groups()
        return GroupedOptimizer([keras.optimizers.get(optimizer[name]) for name in groups], list(groups.values()))

    def gradients_of_players(self, losses: list, variables: Sequence, gradient: Callable) -> list:
        """The gradient of each weight, of its own player's loss.

        Args:
            losses: of the players, in order.
            variables: all that are trained.
            gradient: (loss, variables) -> gradients.
        """
        if len(losses) == 1:
            return gradient(losses[0], variables)
        found = [None] * len(variables)
        for loss, group in zip(losses, self.groups().values(), strict=True):
            for place, each in zip(group, gradient(loss, [variables[place] for place in group]), strict=True):
                found[place] = each
        return found

    def refuse_players(self, where: str) -> None:
        """Raise where there are several players, and only one can be trained there."""
        if len(self.players) > 1:
            raise ValueError(
                f"{type(self).__name__} has {len(self.players)} players ({', '.join(self.players)}), which are not "
                f"trained {where}. Train it on one device, or data-parallel on JAX."
            )

    def losses_of_players(self, loss, terms: dict):
        """What a step takes gradients of: the loss, or, where there are several players, a list of theirs in order."""
        if len(self.players) == 1:
            return loss
        _, *others = self.players
        return [loss, *(terms[self.players[name].loss] for name in others)]
