"""Executes notebooks in place and writes the same bytes when nothing changed. This is what ``make notebooks`` runs.

    python tests/execute_notebooks.py [NOTEBOOK …]     # all of notebooks/ and notebooks/solutions/ without arguments

Times, widget views, software stamps and whatever else differs from run to run are left out. A notebook with a cell
that raises is refused in a sentence and left as it was; then the exit code is 1.
"""

import base64
import os
import struct
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parents[1]
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
VIEW = "application/vnd.jupyter.widget-view+json"
PICTURE_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"pHYs", b"IDAT", b"IEND")  # not tEXt, tIME …: version and date


class Refused(Exception):
    """A notebook does not run; the sentence names it, the cell and the error."""


class ThisPython(AsyncKernelManager):
    """Starts the kernel with the Python that runs this script, whatever other kernels the user has installed."""

    def _kernel_spec_manager_default(self):
        return KernelSpecManager(kernel_dirs=[])


def notebooks() -> list[Path]:
    """Every lesson and every solution; hidden files are somebody's copies."""
    return sorted(ROOT.glob("notebooks/[!.]*.ipynb")) + sorted(ROOT.glob("notebooks/solutions/[!.]*.ipynb"))


def execute(notebook, folder: Path, name: str = "the notebook"):
    """Run all cells of ``notebook`` in ``folder`` with this Python and return it, tidied; raises ``Refused``."""
    with tempfile.TemporaryDirectory() as home:
        client = NotebookClient(
            notebook,
            kernel_manager_class=ThisPython,
            kernel_name="python3",
            extra_arguments=["--Application.log_level=ERROR"],
            timeout=600,
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        )
        environment = {**os.environ, "IPYTHONDIR": home, "OMP_WAIT_POLICY": "PASSIVE"}  # nor their IPython settings
        environment.setdefault("OMP_NUM_THREADS", "1")  # sums depend on it in the last digits, pictures with them
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise Refused(f"{name}, {_failing(notebook)}: {error.ename}: {error.evalue}") from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise Refused(f"{name}, {_failing(notebook)}: {str(error).strip().splitlines()[0]}") from None
    return tidy(notebook)


def tidy(notebook):
    """Leave in an executed notebook only what is the same each time."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if cell.metadata.get("tags") else {})
        if cell.cell_type == "code":
            cell.outputs = [_tidy_output(output, cell) for output in _merged(cell.outputs)]
    return notebook


def without_stamps(png: bytes) -> bytes:
    """The same picture without the chunks that name software and date."""
    kept, position = [png[:8]], 8
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        end = position + 12 + length  # length, type, data, checksum
        if png[position + 4 : position + 8] in PICTURE_CHUNKS:
            kept.append(png[position:end])
        position = end
    return b"".join(kept)


def _merged(outputs):
    """Streams of the same name become one: how a text is cut into messages depends on timing."""
    streams, kept = {}, []
    for output in outputs:
        if output.output_type == "stream" and output.name in streams:
            streams[output.name].text += output.text
            continue
        if output.output_type == "stream":
            streams[output.name] = output
        kept.append(output)
    return kept


def _tidy_output(output, cell):
    if "data" in output:
        output.data.pop(VIEW, None)
        if "image/png" in output.data:
            png = without_stamps(base64.b64decode(output.data["image/png"]))
            output.data["image/png"] = base64.b64encode(png).decode()
        output.metadata = nbformat.from_dict({})
    if output.output_type == "execute_result":
        output.execution_count = cell.execution_count
    return output


def _failing(notebook) -> str:
    """The cell that ran last (or raised)."""
    ran = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.get("execution_count")]
    return f"cell {ran[-1].id}" if ran else "first cell"


def _refresh(path: Path) -> str:
    """Execute one notebook and write it if a byte changed; returns what to print."""
    name, start = os.path.relpath(path), time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    text = nbformat.writes(execute(notebook, path.parent, name)).rstrip("\n") + "\n"
    changed = text != path.read_text(encoding="utf-8")
    if changed:
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    for cell in notebook.cells:
        if "picture" in cell.metadata.get("tags", ()):  # for the README, which cannot show a cell
            (path.parent / "pictures").mkdir(exist_ok=True)
            (path.parent / "pictures" / f"{cell.id}.png").write_bytes(picture(cell))
    return f"{name}: {time.monotonic() - start:.0f} s, {'written' if changed else 'unchanged'}"


def picture(cell) -> bytes:
    """The last PNG among a cell's outputs."""
    shown = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    return base64.b64decode(shown[-1])


def main(arguments: list[str]) -> int:
    """Two notebooks at a time; returns the exit code."""
    paths = [Path(argument).resolve() for argument in arguments] or notebooks()
    missing = [path for path in paths if not path.is_file()]
    if missing:
        print(f"{missing[0]} does not exist.", file=sys.stderr)
        return 1
    refused = False
    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(_refresh, path) for path in paths]:
            try:
                print(result.result(), flush=True)
            except Refused as error:
                refused = True
                print(f"{error} (not written)", file=sys.stderr, flush=True)
    return int(refused)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
