"""What is asked for by another name, or has no model of its own yet: the way there is today, for error messages."""

_WAYS = (
    (
        ("cvae", "conditional", "cond_vae", "labels", "num_classes", "condition"),
        "Conditional models are 'cvae' and 'conv_cvae', with labels=10 or condition=2; any spec takes "
        "inputs=(Labels(10), Condition(2))",
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
        ("num_embeddings", "embedding_dim", "codebook"),
        "The entries of a codebook are codes= of 'vq_vae', their dimensions dim=, and in a spec of your own those of "
        "Quantiser",
    ),
)
SEVERAL_INPUTS = (
    "Several inputs are planned; today join them to one array, as channels (one shape) or as the columns of a table. A "
    "class or a few numbers beside x are inputs of the spec: see 'cvae'."
)


def way_today(name: object) -> str:
    """Return a sentence, with a space before it, on a model or an option that is planned; "" for all else."""
    words = str(name).lower()
    sentences = (f" {sentence}." for names, sentence in _WAYS if any(each in words for each in names))
    return next(sentences, "")
