
# ---- docs/conf.py, behind what antsibull-docs wrote ----

from docutils import nodes

html_title = "tapestry.vmnet"
html_theme_options = {"navigation_with_keys": True}
exclude_patterns = ["docsite/examples"]

# No other site is asked for its index while building: these are the labels of ansible-core's pages that are referred to.
intersphinx_mapping = {}
CORE = "https://docs.ansible.com/ansible/latest/"
ELSEWHERE = {
    "common_return_values": "reference_appendices/common_return_values.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
}


def elsewhere(app, env, node, content):
    page = ELSEWHERE.get(node["reftarget"])
    return page and nodes.reference("", "", content.deepcopy(), internal=False, refuri=CORE + page)


def setup(app):
    app.connect("missing-reference", elsewhere)
