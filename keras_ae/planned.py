"""What is asked for and has no model of its own yet: the way there is today, for error messages."""

_WAYS = (
    (
        ("cvae", "conditional", "cond_vae", "labels", "num_classes"),
        "Conditional models are planned; today train a model for each class, or give the class to x as one-hot columns "
        "or constant channels",
    ),
    (
        ("topk", "top_k", "k_sparse", "ksparse", "batchtopk"),
        "TopK codes are planned; today 'sparse_ae' keeps few units on by an l1 penalty",
    ),
    (
        ("lstm", "gru", "rnn", "recurrent"),
        "Recurrent rows are planned; today 'conv_ae' and 'conv_vae' take series as input_shape=(steps, channels)",
    ),
    (
        ("tied", "tie_weights", "weight_tying"),
        "Weights are tied by tied=True of Spec, 'ae', 'conv_ae', the denoising and the sparse models; a Gaussian code "
        "has two heads, which one kernel cannot mirror",
    ),
    (
        ("vq_vae", "vqvae", "vq-vae", "num_embeddings", "codebook"),
        "Discrete codes are planned; today 'conv_vae' has a continuous code, and keras_ae.priors fits densities to it",
    ),
)
SEVERAL_INPUTS = (
    "Several inputs are planned; today join them to one array, as channels (one shape) or as the columns of a table."
)


def way_today(name: object) -> str:
    """Return a sentence, with a space before it, on a model or an option that is planned; "" for all else."""
    words = str(name).lower()
    sentences = (f" {sentence}." for names, sentence in _WAYS if any(each in words for each in names))
    return next(sentences, "")
