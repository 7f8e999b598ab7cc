"""Model collapse as a view of the mixture."""

import numpy as np

import freeridge as fr


def test_replicates_are_kept_under_the_names_of_the_prediction() -> None:
    setting = fr.ModelCollapse(
        fr.Isotropic(20), n=40, real_share=0.5, quality=0.2, noise_variance=1.0, ridge=0.1
    )
    found = setting.simulate(key=0, replicates=4)
    assert set(found.values) == set(setting.predict().quantities)
    np.testing.assert_allclose(found.values["collapse"].mean(), found.collapse, rtol=1e-12)
    assert found.values["risk"].shape == (4,)
