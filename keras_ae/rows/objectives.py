"""The base of objective rows: what training minimises, and by what weights."""

from typing import ClassVar

from keras_ae.rows.base import Row, SpecError
from keras_ae.rows.codes import Code
from keras_ae.rows.schedules import check_weight


class Objective(Row, abstract=True):
    """Base of the rows that say what training minimises. Each stands in the file of the model type that it names.

    Attributes:
        model: the name of the model type that trains it.
        codes: the code rows that it takes.
        weights: its fields that weigh a term of the loss, numbers of at least 0 or schedules, and that term's name.
    """

    model: ClassVar[str]
    codes: ClassVar[tuple[type[Code], ...]] = (Code,)
    weights: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls.scheduled = tuple(cls.weights)

    def __post_init__(self):
        for name in self.weights:
            check_weight(type(self).__name__, name, getattr(self, name))

    def check_code(self, code: Code) -> None:
        """Raise a `SpecError` where the objective does not take the code."""
        if not isinstance(code, self.codes):
            kinds = " or ".join(kind.__name__ for kind in self.codes)
            raise SpecError(
                f"Spec: the objective {self} needs a code of the kind {kinds}, got {code}. Change the code, or leave "
                "the objective out."
            )


def objective_of(model: str) -> type[Objective]:
    """Return the row of the objective that names the model type.

    Raises:
        SpecError: there is none.
    """
    kinds = [Objective]
    for kind in kinds:
        if vars(kind).get("model") == model:
            return kind
        kinds += kind.__subclasses__()
    raise SpecError(f"No objective is known whose model type is {model!r}. Import the module that declares it.")
