"""JupyterLab on a folder of its own: started, driven in a browser, and stopped whatever happens."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SETTINGS = {  # no news; no cell left out because it is far down the page
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
MINUTES = 5


@contextlib.contextmanager
def jupyterlab(folder: Path, home: Path, patience: float = 60):
    """A running JupyterLab on ``folder``; yields a function from a notebook's name to its address.

    Configuration, data and runtime files go below ``home``, so that nobody's own are read or written.
    """
    for name, values in SETTINGS.items():
        settings = home / f"config/lab/user-settings/@jupyterlab/{name}.jupyterlab-settings"
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps(values))
    places = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    own = {f"JUPYTER_{name}_DIR": str(home / place) for name, place in places.items()}
    own |= {"IPYTHONDIR": str(home / "ipython"), "JUPYTER_PREFER_ENV_PATH": "1"}
    port, token = _free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    command += [f"--IdentityProvider.token={token}"]
    with open(home / "server.log", "w") as log:
        server = subprocess.Popen(
            command, env=os.environ | own, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, patience, home / "server.log")
        # reset: Jupyter would bring back the tabs of the last notebook, and put them in front
        yield lambda notebook: f"http://127.0.0.1:{port}/lab/tree/{notebook}?token={token}&reset"
    finally:
        _stop(server)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(address: str, server: subprocess.Popen, patience: float, log: Path) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def _stop(server: subprocess.Popen) -> None:
    """First kindly, because kernels stand in process groups of their own and only the server knows them."""
    for how, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(patience)
            if how is signal.SIGTERM:
                return


def within(promise: str, what: str) -> str:
    """JavaScript that waits for ``promise`` and raises where it takes ``MINUTES``; Playwright would wait for ever."""
    late = f"() => fail(new Error('{what}: not done after {MINUTES} minutes'))"
    return f"Promise.race([{promise}, new Promise((_, fail) => setTimeout({late}, {60_000 * MINUTES}))])"


class Notebook:
    """A notebook in a browser's tab."""

    def __init__(self, tab, address: str):
        self.tab = tab
        tab.goto(address)
        self.wait_until_idle()

    def wait_until_idle(self, patience: float = 60) -> None:
        """Until the kernel has nothing to do; what is run before it is there would be lost."""
        idle = """() => {
            const context = globalThis.jupyterapp?.shell.currentWidget?.sessionContext;
            return context?.isReady && context.session?.kernel?.status === "idle";
        }"""
        self.tab.wait_for_function(idle, timeout=1000 * patience)

    def run_all(self) -> None:
        """Run every cell and wait for the last. Raises ``RuntimeError`` with what a cell raised or wrote to stderr."""
        self.tab.evaluate(within("jupyterapp.commands.execute('notebook:run-all-cells')", "run all cells"))
        kinds = ("stderr", "error")
        errors = self.tab.locator(", ".join(f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in kinds))
        if errors.count():
            raise RuntimeError(errors.first.text_content())

    def python(self, code: str) -> str:
        """Run a line in the notebook's kernel, beside its cells; returns what it prints."""
        run = """async (code) => {
            const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const future = kernel.requestExecute({ code, store_history: false });
            let text = "";
            future.onIOPub = ({ content }) => { text += content.text ?? content.traceback?.join("\\n") ?? ""; };
            await DONE;
            return text;
        }""".replace("DONE", within("future.done", "a line in the kernel"))
        return self.tab.evaluate(run, code)

    def save(self) -> None:
        """Write the notebook to its file, with whatever the front end keeps in it."""
        self.tab.evaluate("jupyterapp.commands.execute('docmanager:save')")

    def shut_down_kernel(self) -> None:
        """End the kernel; the page stays."""
        self.tab.evaluate(within("jupyterapp.shell.currentWidget.sessionContext.shutdown()", "end the kernel"))
        self.tab.wait_for_function("!jupyterapp.shell.currentWidget.sessionContext.session")
