"Small notebooks for the tests of the site."

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Cell = dict[str, Any]


def markdown(source: str, *tags: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {"tags": list(tags)} if tags else {}, "source": source}


def code(source: str, *outputs: Cell) -> Cell:
    return {
        "cell_type": "code",
        "metadata": {},
        "source": source,
        "outputs": list(outputs),
        "execution_count": None,
    }


def shown(**data: str) -> Cell:
    "A cell's output; `text_html` stands for the type text/html."
    types = {name.replace("_", "/", 1): value for name, value in data.items()}
    return {"output_type": "execute_result", "metadata": {}, "execution_count": None, "data": types}


def notebook(*cells: Cell) -> Cell:
    numbered = [{**cell, "id": f"cell-{n}"} for n, cell in enumerate(cells)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": numbered, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


DRAWDOWN = """#| export
def max_drawdown(
    returns: pd.Series,  # Simple returns, one per bar
    *,
    window: int | None = None,  # Bars to look back; `None` for all
) -> float:  # The deepest fall, in [-1, 0]
    "Measure the deepest fall from a peak."
    return float(returns.min())
"""
