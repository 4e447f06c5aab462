"""A network as a Jupyter notebook (nbformat 4.5). What stands in its cells is in notebook_cells.py."""

from scv.blocks.document import Document
from scv.export.notebook_cells import cells
from scv.training.recipe import ScriptDataset
from scv.training.settings import TrainingSettings


def notebook(
    document: Document, dataset: ScriptDataset, settings: TrainingSettings, *, title: str = "A network"
) -> str:
    """The text of an `.ipynb` file that trains and tests the network. Raises what `cells` raises."""
    # Imported here: it brings JSON Schema with it, which only an export needs.
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    made = new_notebook(
        cells=[
            new_code_cell(cell.source, id=cell.id)
            if cell.kind == "code"
            else new_markdown_cell(cell.source, id=cell.id)
            for cell in cells(document, dataset, settings, title=title)
        ],
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    nbformat.validate(made)
    text: str = nbformat.writes(made)
    return text + "\n"
