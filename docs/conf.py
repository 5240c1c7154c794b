"""How Sphinx makes the site: `make docs`."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("hw", "sim", "host")] + [str(ROOT)]

project = "bitweir"
author = "the bitweir contributors"
release = version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]

extensions = [
    "myst_parser",  # pages are Markdown, as GitHub and editors show it, too
    "sphinx.ext.autodoc",
    "numpydoc",  # docstrings with sections Parameters, Returns, Raises
    "sphinx_click",  # the reference of the command line, from the command line
    "sphinx_copybutton",
    "tools.site",  # pages that are made of the project itself
]
exclude_patterns = ["_build", "generated"]
root_doc = "index"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# No page is fetched: what is checked is links within the site, and their anchors.
nitpicky = True

smartquotes = False  # they would make a dash of the -- of options
autodoc_typehints = "none"  # the docstrings tell types, in words
autodoc_member_order = "bysource"
# PyTorch is large, and the reference of bitweir.train needs nothing of it but that it can be imported.
autodoc_mock_imports = ["torch", "sklearn"]
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
# Gateware has members, which tools.site calls attributes for numpydoc; it looks at docstrings before that, too.
warnings.filterwarnings("ignore", "Unknown section Members")

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"bitweir {release}"
html_static_path = ["_static"]
html_css_files = ["bitweir.css"]
html_extra_path = ["generated/files"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {"color-brand-primary": "#2b5c8a", "color-brand-content": "#2b5c8a"},
    "dark_css_variables": {"color-brand-primary": "#7db0e3", "color-brand-content": "#7db0e3"},
}
