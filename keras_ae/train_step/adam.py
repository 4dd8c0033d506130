"""Which optimisers take a fused update in the place of Keras' own."""

from keras.optimizers import Adam, Optimizer


def is_plain_adam(optimizer: Optimizer) -> bool:
    """Whether the update is that of Kingma & Ba 2015: Adam or AdamW, no AMSGrad, no subclass with one of its own."""
    return isinstance(optimizer, Adam) and type(optimizer).update_step is Adam.update_step and not optimizer.amsgrad
