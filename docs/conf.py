# ---- docs/conf.py, behind what antsibull-docs wrote ----

from docutils import nodes

html_title = "tapestry.vmnet"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["static"]
exclude_patterns = ["docsite/examples"]

# No other site is asked for its index while building: these are the labels of ansible-core's pages that are referred to.
intersphinx_mapping = {}
CORE = "https://docs.ansible.com/ansible/latest/"
ELSEWHERE = {
    "common_return_values": "reference_appendices/common_return_values.html",
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
}


def elsewhere(_app, _env, node, content):
    page = ELSEWHERE.get(node["reftarget"])
    return page and nodes.reference("", "", content.deepcopy(), internal=False, refuri=CORE + page)


def without_contents(_app, tree):
    """The theme has the contents of a page beside it."""
    for topic in list(tree.findall(lambda node: isinstance(node, nodes.topic) and "contents" in node["classes"])):
        topic.parent.remove(topic)


def short_names(_app, env):
    """In the list of pages, `nat module` does for `tapestry.vmnet.nat module - Manage source NAT of ...`."""
    for page, contents in env.tocs.items():
        name, kind = page.rpartition("_")[::2]
        if kind in ("module", "filter", "role") and "/" not in page:
            reference = next(iter(contents.findall(nodes.reference)))
            reference.children = [nodes.Text(f"{name} {kind}")]


def with_readmes(_app, page, source):
    """Only here are the READMEs of the roles pages, too."""
    if page == "docsite/guide_fields":
        source[0] += "\n.. toctree::\n    :glob:\n\n    readme_*\n"


def setup(app):
    app.setup_extension("myst_parser")
    app.connect("source-read", with_readmes)
    app.connect("env-updated", short_names)
    app.connect("doctree-read", without_contents)
    app.add_css_file("vmnet.css")
    app.connect("missing-reference", elsewhere)
