"""Where the packages lie; everything else stands in pyproject.toml.

The code lives in the folders theory, solvers and figures at the top and is imported as freeridge.theory and
so on, through symbolic links in src/freeridge. An sdist holds real folders in their place. A clone made
without symbolic links holds small text files there instead: the packages are then mapped one by one, since
the wheel would otherwise lack all three without a word.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = ("theory", "solvers", "figures")
package_dir = {"": "src"}
packages = find_packages("src")
if not all((Path(__file__).parent / "src" / "freeridge" / folder).is_dir() for folder in FOLDERS):
    for folder in FOLDERS:
        package_dir[f"freeridge.{folder}"] = folder
        packages += [f"freeridge.{folder}"]
        packages += [f"freeridge.{folder}.{inner}" for inner in find_packages(folder)]

setup(package_dir=package_dir, packages=packages)
