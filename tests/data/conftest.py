"Give every test of the data stage its own ledger and its own list of sources."

import pytest

from alphatwin.data import sources


@pytest.fixture(autouse=True)
def _own_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LEDGER", {})
    monkeypatch.setattr(sources, "SOURCES", dict(sources.SOURCES))
