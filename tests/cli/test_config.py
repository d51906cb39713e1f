"""The configuration as a whole: files that include others, variables, the default file, and the
configuration in effect."""

import re

import pytest

from test_docs import TOP, yaml_blocks, make_files


def lines_of(result):
    return result.stderr.splitlines()


# -- included files -----------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    """Writes files: {path: text}."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name in "www", "conf.d/www":
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
        return tmp_path

    return write


def test_lists_are_appended_and_sections_merged(run, tree):
    tree(
        {
            "weir.yaml": "include: conf.d/*.yaml\nsites: [{root: www}]\nlimits: {idle: 5s}\n",
            "conf.d/b.yaml": "sites: [{root: www, names: [b.org]}]\nworkers: 3\n",
            "conf.d/a.yaml": "sites: [{root: www, names: [a.org]}]\nlimits: {drain: 7s}\n",
            "conf.d/empty.yaml": "# nothing yet\n",
            "conf.d/other.txt": "not: read\n",
        }
    )
    result = run("check", "--effective", "weir.yaml")
    assert result.returncode == 0, result.stderr
    assert re.findall(r"names: \[(\w)", result.stdout) == ["a", "b"]
    assert "\n  idle: 5s\n" in result.stdout and "\n  drain: 7s\n" in result.stdout
    assert "\nworkers: 3\n" in result.stdout


def test_paths_are_relative_to_the_file_that_has_them(run, tree):
    path = tree(
        {
            "weir.yaml": "include: conf.d/a.yaml\nsites: [{root: www}]\n",
            "conf.d/a.yaml": "sites: [{root: www, names: [a.org]}]\n",
        }
    )
    result = run("check", "--effective", path / "weir.yaml", cwd="/")
    roots = re.findall(r"root: (\S+)", result.stdout)
    assert roots[:2] == [str(path / "www"), str(path / "conf.d" / "www")], result.stderr


def test_mistakes_name_the_included_file_and_line(run, tree):
    tree(
        {
            "weir.yaml": "include: [conf.d/a.yaml, conf.d/b.yaml]\nsites: [{root: www}]\nworkers: 1\n",
            "conf.d/a.yaml": "limits:\n  idle: 30\n",
            "conf.d/b.yaml": "# b\nworkers: 2\nsits: []\n",
        }
    )
    assert lines_of(run("check", "weir.yaml")) == [
        "conf.d/a.yaml:2:9: 'idle' must be a duration such as 500ms, 30s, 2m or 1h, not '30'",
        "conf.d/b.yaml:2:1: 'workers' is given a second time; the first is in line 3 of weir.yaml",
        "conf.d/b.yaml:3:1: there is no key 'sits' in the configuration; did you mean 'sites'?",
    ]


@pytest.mark.parametrize(
    "files, message",
    [
        ({"weir.yaml": "include: gone.yaml\n"}, "weir.yaml:1:10: gone.yaml: No such file or directory"),
        ({"weir.yaml": "include: {a: b}\n"}, "weir.yaml:1:10: 'include' must be a pattern"),
        ({"weir.yaml": "include: weir.yaml\n"}, "weir.yaml: the file is included a second time"),
        (
            {"weir.yaml": "include: a.yaml\n", "a.yaml": "include: weir.yaml\n"},
            "a.yaml:1:10: weir.yaml: the file is included a second time",
        ),
        ({"weir.yaml": "include: a.yaml\n", "a.yaml": "- 1\n"}, "a.yaml:1:1: an included file must have"),
        ({"weir.yaml": "include: a.yaml\n", "a.yaml": "a: [\n"}, "a.yaml:2:1: not YAML"),
        (
            {f"{n}.yaml": f"include: {n + 1}.yaml\n" for n in range(20)} | {"weir.yaml": "include: 0.yaml\n"},
            "6.yaml:1:10: files include each other deeper than 8",
        ),
        (
            {f"d/{n}.yaml": "# empty\n" for n in range(300)} | {"weir.yaml": "include: d/*\n"},
            "too many files are included",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_wrong_includes(run, tree, files, message):
    tree(files)
    result = run("check", "weir.yaml")
    assert result.returncode == 1
    assert message in result.stderr


def test_a_pattern_may_match_nothing(run, tree):
    tree({"weir.yaml": "include: none.d/*.yaml\nsites: [{root: www}]\n"})
    assert run("check", "weir.yaml").returncode == 0


def test_mappings_that_contain_each_other_are_merged_in_the_end(run, tree):
    tangled = "limits: &a {idle: *a, b: *a, mail: *a}\nmail: *a\n"
    tree({"weir.yaml": "include: a.yaml\n" + tangled, "a.yaml": tangled})
    assert run("check", "weir.yaml").returncode == 1


# -- variables ----------------------------------------------------------------------------------------


def test_variables_are_replaced(run, tree, monkeypatch):
    tree({"weir.yaml": "sites: [{root: '${WEIR_TEST_ROOT}', index: '$${x}'}]\nworkers: ${WEIR_TEST_N}\n"})
    monkeypatch.setenv("WEIR_TEST_ROOT", "www")
    monkeypatch.setenv("WEIR_TEST_N", "5")
    result = run("check", "--effective", "weir.yaml")
    assert "\nworkers: 5\n" in result.stdout, result.stderr
    assert 'index: "$${x}"\n' in result.stdout


def test_a_missing_variable_is_a_mistake(run, tree):
    tree({"weir.yaml": "sites: [{root: www}]\nworkers: ${WEIR_TEST_GONE}\nuser: ${}\n"})
    assert lines_of(run("check", "weir.yaml")) == [
        "weir.yaml:2:10: the environment has no variable 'WEIR_TEST_GONE'",
        "weir.yaml:3:7: a variable must be written as ${NAME}; $${ is a plain ${",
    ]


# -- the default file ---------------------------------------------------------------------------------


def test_the_default_file_is_good(run, tmp_path):
    text = run("config", "default").stdout
    (tmp_path / "weir.yaml").write_text(text.replace("/srv/www", str(tmp_path)))
    result = run("check", "weir.yaml")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("weir.yaml: good: 1 site, 0 names, 1 listener\n")


def test_the_default_file_changes_nothing(run, tmp_path):
    """Its keys that are in effect have their defaults, and so has what is a comment."""
    text = run("config", "default").stdout
    (tmp_path / "long.yaml").write_text(text.replace("/srv/www", str(tmp_path)))
    (tmp_path / "short.yaml").write_text(
        f"listen: [{{http: 127.0.0.1:8080}}]\nsites: [{{root: {tmp_path}}}]\n"
    )
    printed = [run("check", "--effective", name).stdout for name in ("long.yaml", "short.yaml")]
    assert printed[0].split("\n", 1)[1] == printed[1].split("\n", 1)[1]


@pytest.mark.parametrize("words", [[], ["what"], ["default", "bash"]])
def test_usage_of_config(run, words):
    result = run("config", *words)
    assert result.returncode == 2
    assert "Try `weir config --help`." in result.stderr


# -- the configuration in effect ----------------------------------------------------------------------


def effective(run, name):
    result = run("check", "--effective", name)
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n", 1)[1]


@pytest.mark.parametrize("index", range(4))
def test_what_is_in_effect_can_be_read_again(run, tmp_path, index):
    make_files(tmp_path, yaml_blocks()[index])
    first = effective(run, "weir.yaml")
    (tmp_path / "again.yaml").write_text(first)
    assert effective(run, "again.yaml") == first


def test_defaults_are_marked(run, tmp_path):
    (tmp_path / "weir.yaml").write_text(f"sites: [{{root: {tmp_path}, hidden: yes}}]\nworkers: 2\n")
    text = effective(run, "weir.yaml")
    assert 'listen: [{http: 127.0.0.1:8080}]  # default\n' in text
    assert "\nworkers: 2\n" in text
    assert "\n    hidden: yes\n" in text
    assert "\n    listing: yes  # default\n" in text
    assert "\n    # names: not set; default: every name, for the first site alone\n" in text
    assert "\n  drain: 30s  # default\n" in text


def test_a_wrong_configuration_has_no_effect(run, tmp_path):
    (tmp_path / "weir.yaml").write_text("workers: many\n")
    result = run("check", "--effective", "weir.yaml")
    assert result.returncode == 1
    assert result.stdout == ""


def test_every_key_is_in_effect(run, tmp_path):
    """The listing has all keys, and so has what is printed of it; `include` is done by then, and a change of
    fields is in one line."""
    make_files(tmp_path, yaml_blocks()[1])
    keys = set(re.findall(r"^ *#?(?:- )?([a-z0-9-]+):", (TOP / "docs/weir.yaml").read_text(), re.M))
    printed = set(re.findall(r"^ *(?:# |- )?([a-z0-9-]+):", effective(run, "weir.yaml"), re.M))
    assert keys - printed == {"include", "set", "add", "remove", "always"}
