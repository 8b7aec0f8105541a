"""Executes a notebook with this Python, and leaves in it only what is the same each time."""

import base64
import os
import struct
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

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

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])


def execute(notebook: NotebookNode, folder: Path, name: str = "the notebook", startup: str = "") -> NotebookNode:
    """Run all cells of ``notebook`` in ``folder`` with this Python and return it, tidied; raises ``Refused``.

    ``startup`` is Python that the kernel runs before the first cell; no cell and no count shows it.
    """
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
        if startup:
            script = Path(home, "profile_default", "startup", "first.py")
            script.parent.mkdir(parents=True)
            script.write_text(startup, encoding="utf-8")
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise Refused(f"{name}, {_failing(notebook)}: {error.ename}: {error.evalue}") from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise Refused(f"{name}, {_failing(notebook)}: {str(error).strip().splitlines()[0]}") from None
    return tidy(notebook)


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the outputs and counts of its cells removed."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def tidy(notebook: NotebookNode) -> NotebookNode:
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


def _merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Streams of the same name become one: how a text is cut into messages depends on timing."""
    streams: dict[str, NotebookNode] = {}
    kept = []
    for output in outputs:
        if output.output_type == "stream" and output.name in streams:
            streams[output.name].text += output.text
            continue
        if output.output_type == "stream":
            streams[output.name] = output
        kept.append(output)
    return kept


def _tidy_output(output: NotebookNode, cell: NotebookNode) -> NotebookNode:
    if "data" in output:
        output.data.pop(VIEW, None)
        if "image/png" in output.data:
            png = without_stamps(base64.b64decode(output.data["image/png"]))
            output.data["image/png"] = base64.b64encode(png).decode()
        output.metadata = nbformat.from_dict({})
    if output.output_type == "execute_result":
        output.execution_count = cell.execution_count
    return output


def _failing(notebook: NotebookNode) -> str:
    """The cell that ran last (or raised)."""
    ran = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.get("execution_count")]
    return f"cell {ran[-1].id}" if ran else "first cell"
