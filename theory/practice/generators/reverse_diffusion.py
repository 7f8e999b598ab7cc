"""Guided examples by reverse diffusion with plug-in guidance, corrected by Langevin steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.theory.practice.generator import Guidance
from freeridge.theory.practice.generators.langevin import Draws, Langevin, require_finite_learner
from freeridge.theory.practice.generators.mixture_law import MixtureLaw


class ReverseDiffusion(eqx.Module):
    r"""Deterministic reverse diffusion (DDIM) with plug-in guidance, then Langevin steps on the tilted law.

    With $x_t = \cos\theta\, x_0 + \sin\theta\, \varepsilon$ the angle falls in equal steps from $\pi/2$,
    where $x_t \sim N(0, I_d)$ exactly, to 0. At each angle the example is predicted from the law in closed
    form, and pushed:

    $$ \tilde x_0 = \hat x_0 + \omega\, \mathrm{Cov}(x_0 \mid x_t)\, \nabla H(f(\hat x_0)), \qquad
       \hat x_0 = E[x_0 \mid x_t], \qquad
       x_{t'} = \cos\theta'\, \tilde x_0 + \sin\theta'\, \frac{x_t - \cos\theta\, \tilde x_0}{\sin\theta} . $$

    That is $\tilde\varepsilon = \varepsilon - \sin\theta\; \omega \nabla_{x_t} H(f(\hat x_0(x_t)))$ for the
    noise, because $\nabla_{x_t} \hat x_0 = (\cos\theta / \sin^2\theta)\, \mathrm{Cov}(x_0 \mid x_t)$. The
    paper prints $\tilde\varepsilon = \varepsilon + \omega \nabla_{x_t} H$, which lowers the entropy
    (``docs/theory/guided-generation.md``).

    The exact prediction is $E[x_0 e^{\omega H(f(x_0))} \mid x_t] / E[e^{\omega H(f(x_0))} \mid x_t]$; the
    plug-in treats $H$ as linear over the posterior of $x_0$. What that and the finite number of steps leave
    is taken away by the corrector, under which the tilted law is exactly stationary.

    Parameters
    ----------
    steps : int
        Angles, at least 1.
    corrector : Langevin, optional
        None is the paper's sampler, which misses the tilted law.

    Examples
    --------
    >>> ReverseDiffusion(corrector=None).cost(), ReverseDiffusion().cost()
    (50, 111)

    References
    ----------
    R. Askari-Hemmat et al., Improving the Scaling Laws of Synthetic Data with Deliberate Practice, arXiv
    2502.15588 (its plug-in guidance). J. Song, C. Meng, S. Ermon, Denoising Diffusion Implicit Models, ICLR
    2021, equation 12. H. Chung et al., Diffusion Posterior Sampling, ICLR 2023 (the same plug-in).
    """

    steps: int = eqx.field(default=50, static=True)
    corrector: Langevin | None = Langevin(30)

    def __check_init__(self) -> None:
        require_count("steps", self.steps)
        if not (self.corrector is None or isinstance(self.corrector, Langevin)):
            raise InvalidSetting("corrector", self.corrector, "a Langevin sampler, or None for no correction")

    def cost(self) -> int:
        """Evaluations, with gradient, of the learner and of the score for one example."""
        return self.steps + (0 if self.corrector is None else self.corrector.cost())

    def draw(self, laws: MixtureLaw, key: Array, guidance: Guidance) -> Draws:
        """One guided example of each law.

        Parameters
        ----------
        laws : MixtureLaw
            Its arrays have a leading axis: one law for each example.
        key : JAX key
        guidance : Guidance

        Raises
        ------
        InvalidSetting
            When the learner answers with NaN or infinity, or its gradient does.
        """
        first, later = jax.random.split(key)
        examples, finite = _denoise(laws, first, guidance, self.steps)
        require_finite_learner(finite)
        if self.corrector is None:
            return Draws(examples)
        return self.corrector.continued(laws, later, guidance, examples)


@eqx.filter_jit
def _denoise(
    laws: MixtureLaw, key: Array, guidance: Guidance, steps: int
) -> tuple[Float[Array, "n d"], Bool[Array, ""]]:
    """All examples side by side, and whether all the learner said was finite."""
    count, _, dimension = laws.means.shape
    angles = jnp.linspace(jnp.pi / 2, 0.0, steps + 1)

    def predict(
        law: MixtureLaw, x: Float[Array, " d"], angle: Float[Array, ""]
    ) -> tuple[Float[Array, " d"], Bool[Array, ""]]:
        posterior = law.posterior(x, jnp.cos(angle) ** 2)
        clean = posterior.mean()
        slope = jax.grad(guidance.entropy)(clean)
        return clean + guidance.strength * posterior.covariance_times(slope), jnp.all(jnp.isfinite(slope))

    def step(now: tuple[Array, Array], ends: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        x, finite = now
        angle, following = ends
        clean, known_slope = jax.vmap(predict, in_axes=(0, 0, None))(laws, x, angle)
        noise = (x - jnp.cos(angle) * clean) / jnp.sin(angle)
        x = jnp.cos(following) * clean + jnp.sin(following) * noise
        return (x, finite & jnp.all(known_slope)), None

    start = jax.random.normal(key, (count, dimension), laws.means.dtype)
    (x, finite), _ = jax.lax.scan(step, (start, jnp.asarray(True)), (angles[:-1], angles[1:]))
    return x, finite
