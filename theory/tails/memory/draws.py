"""One replicate of an associative memory: drawn counts, drawn embeddings, and which items are answered right.

The d x d memory is never formed. With the embeddings of items E (N x d) and of classes U (m x d) all scores
are E (G B)', where B (m x d) holds the sum of q_T(i) e_i over each class and G = U U'. Rows of E are left
Gaussian: their lengths are divided out in B, and no answer depends on the length of the row it is asked for.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def numpy_replicate(
    rng: np.random.Generator,
    tested: np.ndarray,
    trained: np.ndarray,
    d: int,
    samples: int | None,
    classes: int,
    thresholded: bool,
) -> dict[str, float]:
    """Risk and unseen mass of one memory.

    Parameters
    ----------
    rng : numpy.random.Generator
    tested, trained : array of shape (N,)
        Probabilities of the items.
    d, samples, classes
        Dimension, samples (None: the weights are the probabilities), classes.
    thresholded : bool
        Whether all items seen weigh the same.
    """
    weights = trained if samples is None else rng.multinomial(samples, trained) / samples
    seen = weights > 0
    if thresholded:
        weights = seen.astype(np.float64)
    embeddings = rng.standard_normal((len(tested), d))
    stored = weights / np.sqrt(np.einsum("id,id->i", embeddings, embeddings))
    # Items of one class are a stride apart: views, no copies of the largest array.
    sums = np.stack([stored[y::classes] @ embeddings[y::classes] for y in range(classes)])
    outputs = rng.standard_normal((classes, d))
    outputs /= np.linalg.norm(outputs, axis=1, keepdims=True)
    answers = np.argmax(embeddings @ ((outputs @ outputs.T) @ sums).T, axis=1)
    wrong = answers != np.arange(len(tested)) % classes
    return {"risk": float(tested @ wrong), "memory_free_risk": float(tested @ ~seen)}


def jax_replicate(
    key: Array,
    tested: Float[Array, " N"],
    trained: Float[Array, " N"],
    d: int,
    samples: int | None,
    classes: int,
    thresholded: bool,
) -> dict[str, Float[Array, ""]]:
    """The same, traceable."""
    counts_key, items_key, classes_key = jax.random.split(key, 3)
    weights = trained
    if samples is not None:
        weights = jax.random.multinomial(counts_key, float(samples), trained, dtype=jnp.float64) / samples
    seen = (weights > 0).astype(jnp.float64)
    if thresholded:
        weights = seen
    labels = jnp.arange(len(tested)) % classes
    embeddings = jax.random.normal(items_key, (len(tested), d), dtype=jnp.float64)
    stored = weights / jnp.linalg.norm(embeddings, axis=1)
    sums = jax.ops.segment_sum(stored[:, None] * embeddings, labels, classes)
    outputs = jax.random.normal(classes_key, (classes, d), dtype=jnp.float64)
    outputs = outputs / jnp.linalg.norm(outputs, axis=1, keepdims=True)
    answers = jnp.argmax(embeddings @ ((outputs @ outputs.T) @ sums).T, axis=1)
    wrong = (answers != labels).astype(jnp.float64)
    return {"risk": tested @ wrong, "memory_free_risk": tested @ (1.0 - seen)}
