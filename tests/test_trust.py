"""What a stranger's recipe can do only where the command line says so."""

import hashlib
import importlib.util
import py_compile
import socket

import pytest
from chat_server import Server
from small_project import LIGHT_OPERATORS

from imgdiff import run
from imgdiff.cli import main
from imgdiff.operator import registry

KEY = "secret-4711-of-the-user"
HOST = "models.example"


@pytest.fixture
def server(monkeypatch):
    """A server of this machine, which is known as another one too."""
    made, find = Server(), socket.getaddrinfo

    def find_it_here(host, *given, **more):
        return find("127.0.0.1" if host == HOST else host, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", find_it_here)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODELS_API_KEY", KEY)


def ask_by(project, server, host=HOST, **binding):
    """A recipe of three rows, whose captions are asked for from a server."""
    url = f"http://{host}:{server.port}/v1"
    known = {"base_url": url, "model": "toy", "key_variable": "MODELS_API_KEY"}
    odd = str(LIGHT_OPERATORS.with_name("odd_operators.py"))
    project.write_recipe(
        operators=[str(LIGHT_OPERATORS), odd],
        process=["asking_mapper", "light_image_mapper"],
        models={"llm": known | binding},
        limit=3,
    )


def stored(project):
    return b"".join(path.read_bytes() for path in project.run_path.rglob("*") if path.is_file())


class TestKeys:
    def test_none_leaves_this_machine_unasked(self, project, server, capsys):
        ask_by(project, server)
        assert run.main(["mine.yaml"]) == run.COMPLETE
        assert set(server.keys) == {None}
        words = f"MODELS_API_KEY is not sent to {HOST}: --allow-key MODELS_API_KEY={HOST}"
        assert words in capsys.readouterr().out.replace("\n", " ")

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_this_machine_gets_it(self, project, server, host):
        ask_by(project, server, host)
        assert run.main(["mine.yaml"]) == run.COMPLETE
        assert set(server.keys) == {f"Bearer {KEY}"}
        assert KEY.encode() not in stored(project)

    @pytest.mark.parametrize("port", [False, True])
    def test_the_command_line_allows_it(self, project, server, port):
        ask_by(project, server)
        grant = f"MODELS_API_KEY={HOST}" + (f":{server.port}" if port else "")
        assert run.main(["mine.yaml", "--allow-key", grant]) == run.COMPLETE
        assert set(server.keys) == {f"Bearer {KEY}"}
        assert KEY.encode() not in stored(project)

    @pytest.mark.parametrize(
        "grant",
        [
            *("OTHER_API_KEY=models.example", "MODELS_API_KEY=example"),
            *("MODELS_API_KEY=models.example.org", "MODELS_API_KEY=models.example:1"),
        ],
    )
    def test_another_host_or_key_does_not(self, project, server, grant):
        ask_by(project, server)
        assert run.main(["mine.yaml", "--allow-key", grant]) == run.COMPLETE
        assert set(server.keys) == {None}

    @pytest.mark.parametrize("hosts", [HOST, [HOST, "b"]])
    def test_the_users_own_file_allows_it(self, project, server, tmp_path, hosts):
        own = tmp_path / "config/imgdiff/config.yaml"
        own.parent.mkdir(parents=True)
        own.write_text(f"allow_keys:\n  MODELS_API_KEY: {hosts}\n")
        ask_by(project, server)
        assert run.main(["mine.yaml"]) == run.COMPLETE
        assert set(server.keys) == {f"Bearer {KEY}"}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("allow_keys: [", "not valid YAML"),
            ("5", "expected allow_keys"),
            ("other: 1", "expected allow_keys"),
            ("allow_keys: {HF_TOKEN: a}", "must end in _API_KEY"),
            ("allow_keys: {MY_API_KEY: http://a}", "expected a host such as"),
            ("[" * 5000, "not valid YAML"),
        ],
    )
    def test_a_wrong_file_is_refused(self, project, server, tmp_path, capsys, text, words):
        own = tmp_path / "config/imgdiff/config.yaml"
        own.parent.mkdir(parents=True)
        own.write_text(text)
        ask_by(project, server)
        assert run.main(["mine.yaml"]) == run.REFUSED
        assert f"{own}: " in (said := capsys.readouterr().err)
        assert words in said

    @pytest.mark.parametrize("grant", ["HF_TOKEN=a", "MY_API_KEY", "MY_API_KEY=http://a/b"])
    def test_a_wrong_grant_is_refused(self, project, capsys, grant):
        with pytest.raises(SystemExit) as error:
            run.main(["mine.yaml", "--allow-key", grant])
        assert error.value.code == run.REFUSED
        assert "argument --allow-key: " in capsys.readouterr().err

    def test_the_dry_run_shows_key_and_host(self, project, server, capsys):
        ask_by(project, server)
        assert run.main(["mine.yaml", "--dry-run"]) == run.COMPLETE
        shown = capsys.readouterr().out
        assert f"model llm: toy at http://{HOST}:{server.port}/v1" in shown
        assert f"MODELS_API_KEY is not sent to {HOST}" in shown
        grant = f"MODELS_API_KEY={HOST}"
        assert run.main(["mine.yaml", "--dry-run", "--allow-key", grant]) == run.COMPLETE
        assert f"MODELS_API_KEY is sent to {HOST}" in (shown := capsys.readouterr().out)
        assert KEY not in shown
        assert server.asked == []

    @pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "PATH"])
    def test_a_recipe_may_name_keys_alone(self, project, server, capsys, name):
        ask_by(project, server, key_variable=name)
        assert run.main(["mine.yaml"]) == run.REFUSED
        assert f"{name} may not be sent: the variable's name must end in _API_KEY" in (
            capsys.readouterr().err
        )
        assert server.asked == []


class TestClusters:
    """What comes from one is unpickled."""

    @pytest.mark.parametrize("address", ["stranger:6379", "ray://stranger:10001"])
    def test_a_recipe_alone_names_none(self, project, capsys, address):
        project.write_recipe(executor_type="ray", ray_address=address)
        assert main(["check", "mine.yaml"]) == run.REFUSED
        said = capsys.readouterr().err
        assert "ray_address: only the command line may say it" in said
        assert f"Name it there: ray_address={address}" in said
        assert main(["check", "mine.yaml", f"ray_address={address}"]) == run.COMPLETE

    @pytest.mark.parametrize("address", ["local", "auto", None])
    def test_those_of_this_machine_it_may(self, project, address):
        project.write_recipe(executor_type="ray", ray_address=address)
        assert main(["check", "mine.yaml"]) == run.COMPLETE


class TestRemoteCode:
    @pytest.mark.parametrize("verb", ["run", "check", "doctor", "rehearse"])
    def test_a_recipe_alone_does_not_allow_it(self, capsys, verb):
        override = 'models.clip={"name": "a/b", "trust_remote_code": true}'
        assert main([verb, "recipes/replace.yaml", override]) == run.REFUSED
        words = "models.clip: a/b would run the code that comes with it"
        assert words in (said := capsys.readouterr().err)
        assert "--trust-remote-code on the command line" in said

    def test_nor_does_one_of_a_training(self, capsys):
        override = 'model={"name": "a/b", "trust_remote_code": true}'
        for verb in ("check", "train"):
            assert main([verb, "recipes/train/finetune.yaml", override]) == run.REFUSED
            assert "model: a/b would run the code" in capsys.readouterr().err

    def test_nor_does_the_model_of_an_evaluation(self, capsys):
        model = "{name: a/b, trust_remote_code: true}"
        for test in (["pope", "--setting", "random"], ["ohd"]):
            arguments = [*test, "--toyland", "30", "--model", model]
            assert main(["evaluate", *arguments]) == run.REFUSED
            assert "--model: a/b would run the code" in capsys.readouterr().err

    def test_the_command_line_does(self, project, capsys):
        """The folder is no model, which is said next."""
        project.folder.joinpath("model").mkdir()
        binding = {"name": "./model", "trust_remote_code": True}
        project.write_recipe(models={"clip": binding}, process=["image_pair_similarity_filter"])
        for flag, words in ([], "would run the code"), (["--trust-remote-code"], "no safetensors"):
            assert main(["check", "mine.yaml", *flag]) == run.REFUSED
            assert words in capsys.readouterr().err


class TestOperatorFiles:
    OWN = """
from imgdiff.operator import Mapper, register

open("executed", "a").write("x")

@register("own_mapper")
class OwnMapper(Mapper):
    def process(self, rows):
        pass
"""

    @pytest.fixture(autouse=True)
    def _forget(self, monkeypatch):
        """What is registered by one test."""
        monkeypatch.setattr("imgdiff.operator._REGISTRY", {**registry()})

    def write(self, project, text=OWN):
        own = project.folder / "own.py"
        own.write_text(text)
        process = [*project.settings["process"], "own_mapper"]
        project.write_recipe(operators=[str(LIGHT_OPERATORS), "own.py"], process=process)
        return own

    @pytest.mark.parametrize("arguments", [["run"], ["run", "--dry-run"], ["check"], ["doctor"]])
    def test_what_is_executed_is_named_with_its_hash(self, project, caplog, arguments):
        own = self.write(project)
        assert main([*arguments, "mine.yaml"]) == run.COMPLETE
        assert (project.folder / "executed").read_text() == "x"
        digest = hashlib.sha256(own.read_bytes()).hexdigest()
        assert f"executing {own.name}, sha256 {digest}" in caplog.messages

    @pytest.mark.parametrize("arguments", [["run"], ["run", "--dry-run"], ["check"], ["doctor"]])
    def test_they_can_be_left_out(self, project, capsys, caplog, arguments):
        self.write(project)
        assert main([*arguments, "mine.yaml", "--no-operator-files"]) == run.REFUSED
        assert not (project.folder / "executed").exists()
        assert "own.py is not executed, nor are its operators known" in caplog.messages
        assert "own_mapper: unknown operator" in capsys.readouterr().err

    def test_a_recipe_that_needs_none_goes_on_without(self, project, capsys):
        project.write_recipe(operators=["own.py"], process=["caption_edit_mapper"])
        assert main(["check", "mine.yaml", "--no-operator-files"]) == run.COMPLETE

    def test_what_runs_is_what_was_hashed(self, project):
        """Python would run a compiled copy beside the file, which may be of another text."""
        own = self.write(project, "open('planted', 'w')\n")
        copy = importlib.util.cache_from_source(str(own))
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(own), copy, invalidation_mode=unchecked)
        own.write_text(self.OWN)
        assert main(["check", "mine.yaml"]) == run.COMPLETE
        assert (project.folder / "executed").exists()
        assert not (project.folder / "planted").exists()
