"""Operators of TensorFlow that ONNX has not, by operators that it has.

tf2onnx 1.17 leaves them in the file as they are, and ONNX Runtime refuses the file: exact GELU has Erfc, CELU and the
continuous Bernoulli Expm1.
"""

import numpy as np
from tf2onnx import utils
from tf2onnx.handler import tf_op


def _with_one(ctx, node, operator: str, inputs_of) -> None:
    """Replace a node by `operator` on its own function and 1."""
    kind, shape = ctx.get_dtype(node.output[0]), ctx.get_shape(node.output[0])
    one = ctx.make_const(utils.make_name("one"), np.array(1, utils.map_onnx_to_numpy_type(kind))).output[0]
    name, given, outputs = node.name, list(node.input), list(node.output)
    ctx.remove_node(name)
    value = ctx.make_node(operator, given, shapes=[shape], dtypes=[kind]).output[0]
    ctx.make_node("Sub", inputs_of(value, one), name=name, outputs=outputs, shapes=[shape], dtypes=[kind])


@tf_op("Erfc")
class Erfc:
    """1 - erf(x)."""

    @classmethod
    def version_9(cls, ctx, node, **options):
        """From opset 9 on, which has Erf."""
        _with_one(ctx, node, "Erf", lambda value, one: [one, value])


@tf_op("Expm1")
class Expm1:
    """exp(x) - 1."""

    @classmethod
    def version_6(cls, ctx, node, **options):
        """From opset 6 on."""
        _with_one(ctx, node, "Exp", lambda value, one: [value, one])
