"""How the documentation site is built: ``make docs``, or ``sphinx-build -W -n docs docs/_build/html``.

Nothing is fetched, neither while building nor while reading: MathJax lies in the site, and references to
other libraries are plain text.
"""

import sys
from pathlib import Path

import jax

import freeridge

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

jax.config.update("jax_enable_x64", True)  # the defaults of some settings are arrays, made on import

project = "freeridge"
author = "freeridge contributors"
copyright = "freeridge contributors, Apache-2.0 licence"
version = release = freeridge.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx-mathjax-offline",
    "sphinxcontrib.bibtex",
    "api_names",
    "docstrings",
    "gallery",
    "offline",
    "top_pages",
]
exclude_patterns = ["_build", "_ext"]
nitpicky = True

# Pages are Markdown that a code host shows as well: links to files, anchors of headings as there.
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 4
myst_dmath_double_inline = True  # formulas on lines of their own inside the item of a list

# Pages with the header of a notebook are run, once for each version of their cells.
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_kernel_rgx_aliases = {".*": "python3"}  # the kernel of the environment that builds

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"

# Types are in the docstrings, in words; annotations say the same in the language of jaxtyping.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# what a class inherits counts where it comes from this library
autodoc_default_options = {
    "members": True,
    "inherited-members": "Module, BaseException, tuple, ClassifierMixin, BaseEstimator, _MetadataRequester",
    "exclude-members": "set_score_request",
}
toc_object_entries_show_parents = "hide"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

mathjax3_config = {"chtml": {"scale": 0.95}}  # beside a sans-serif text

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = "freeridge"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # browsers do not load excerpts from files on disk
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
