"""A mixture of Gaussians that is known exactly: density, score, draws, and what diffusion makes of it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class MixtureLaw(eqx.Module):
    r"""The law $\sum_k w_k N(\mu_k, Q_k \Lambda_k Q_k^\top)$, each component by its eigenbasis.

    A variance-preserving diffusion shows $x_t = \sqrt{a}\, x_0 + \sqrt{1-a}\, \varepsilon$, $\varepsilon \sim
    N(0, I_d)$, with a signal $a \in [0, 1]$ that falls from 1 to 0. The law of $x_t$ is a mixture in the same
    eigenbases, and so is the law of $x_0$ given $x_t$: one decomposition of each covariance serves all times.
    With $\Gamma_k = a \Lambda_k + (1-a) I$,

    $$ x_t \sim \sum_k w_k N(\sqrt{a}\, \mu_k, Q_k \Gamma_k Q_k^\top), \qquad
       x_0 \mid x_t \sim \sum_k r_k(x_t)\, N\big(\mu_k + \sqrt{a}\, Q_k \Lambda_k \Gamma_k^{-1} Q_k^\top
       (x_t - \sqrt{a}\, \mu_k),\; (1-a)\, Q_k \Lambda_k \Gamma_k^{-1} Q_k^\top\big), $$

    $r_k$ being the probability of component $k$ given $x_t$. Tweedie's formula $E[x_0 \mid x_t] = (x_t +
    (1-a) \nabla \log p_t(x_t)) / \sqrt{a}$ is the mean of the latter.

    Parameters
    ----------
    log_weights : float array of shape (K,)
        $\log w_k$.
    means : float array of shape (K, d)
    spectra : float array of shape (K, d)
        Diagonals of $\Lambda_k$, positive.
    axes : float array of shape (K, d, d), optional
        $Q_k$, eigenvectors in columns; None when every covariance is a multiple of the identity.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> law = MixtureLaw(jnp.log(jnp.array([0.5, 0.5])), jnp.array([[-2.0], [2.0]]), jnp.ones((2, 1)))
    >>> round(float(law.score(jnp.array([1.0]))[0]), 6)  # -1 + 2 tanh 2
    0.928055
    >>> x, a = jnp.array([1.0]), 0.25
    >>> tweedie = (x + (1 - a) * law.noised(a).score(x)) / a**0.5
    >>> bool(jnp.allclose(law.posterior(x, a).mean(), tweedie, rtol=1e-14))
    True
    """

    log_weights: Float[Array, "*laws K"]
    means: Float[Array, "*laws K d"]
    spectra: Float[Array, "*laws K d"]
    axes: Float[Array, "*laws K d d"] | None = None

    def log_density(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Logarithm of the density at one point."""
        return jax.nn.logsumexp(self._joint(x))

    def score(self, x: Float[Array, " d"]) -> Float[Array, " d"]:
        """Gradient of the log density."""
        pulls = self._back(self._along(self.means - x) / self.spectra)
        return jax.nn.softmax(self._joint(x)) @ pulls

    def draw(self, key: Array) -> Float[Array, " d"]:
        """One example."""
        choice, noise = jax.random.split(key)
        component = jax.random.categorical(choice, self.log_weights)
        normal = jax.random.normal(noise, self.means.shape[-1:], self.means.dtype)
        return self.means[component] + self.root(component, normal)

    def noised(self, signal: float | Float[Array, ""]) -> "MixtureLaw":
        """The law of $x_t$ at a signal."""
        means, spectra = self.means * jnp.sqrt(signal), signal * self.spectra + (1 - signal)
        return MixtureLaw(self.log_weights, means, spectra, self.axes)

    def posterior(self, x: Float[Array, " d"], signal: float | Float[Array, ""]) -> "MixtureLaw":
        """The law of $x_0$ given that $x_t$ is x at a signal."""
        noised = self.noised(signal)
        shrunk = self.spectra / noised.spectra
        moved = jnp.sqrt(signal) * self._back(shrunk * self._along(x - noised.means))
        log_weights = jax.nn.log_softmax(noised._joint(x))
        return MixtureLaw(log_weights, self.means + moved, (1 - signal) * shrunk, self.axes)

    def mean(self) -> Float[Array, " d"]:
        """Mean of the mixture."""
        return jnp.exp(self.log_weights) @ self.means

    def covariance_times(self, v: Float[Array, " d"]) -> Float[Array, " d"]:
        """Product of the covariance of the mixture with a vector."""
        centred = self.means - self.mean()
        within = self._back(self.spectra * self._along(jnp.broadcast_to(v, self.means.shape)))
        return jnp.exp(self.log_weights) @ (within + centred * (centred @ v)[:, None])

    def root(self, component: Int[Array, ""], v: Float[Array, " d"]) -> Float[Array, " d"]:
        r"""$Q_k \Lambda_k^{1/2} v$ for one component: white noise becomes noise of its covariance."""
        scaled = jnp.sqrt(self.spectra[component]) * v
        return scaled if self.axes is None else self.axes[component] @ scaled

    def root_transposed(self, component: Int[Array, ""], v: Float[Array, " d"]) -> Float[Array, " d"]:
        r"""$\Lambda_k^{1/2} Q_k^\top v$: a gradient in the coordinates in which the component is white."""
        return jnp.sqrt(self.spectra[component]) * (v if self.axes is None else v @ self.axes[component])

    def _joint(self, x: Float[Array, " d"]) -> Float[Array, " K"]:
        """Log density of x together with each component."""
        squares = self._along(x - self.means) ** 2 / self.spectra
        return self.log_weights - 0.5 * jnp.sum(squares + jnp.log(2 * jnp.pi * self.spectra), axis=-1)

    def _along(self, v: Float[Array, "K d"]) -> Float[Array, "K d"]:
        return v if self.axes is None else jnp.einsum("kij,ki->kj", self.axes, v)

    def _back(self, v: Float[Array, "K d"]) -> Float[Array, "K d"]:
        return v if self.axes is None else jnp.einsum("kij,kj->ki", self.axes, v)
