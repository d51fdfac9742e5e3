"Books that balance to the last digit."

import decimal
import random
from collections.abc import Callable
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphatwin.backtest.ledger import (
    EXACT,
    Ledger,
    added_up,
    book_fill,
    cost_moved,
    exactly,
    journal,
    statement,
    to_cents,
    to_money,
    total_of,
    trial_balance,
)

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_money_reads_back_as_the_same_float(number: float) -> None:
    assert float(to_money(number)) == number
    assert to_money(number) == Decimal(repr(number))


def test_shortest_not_nearest() -> None:
    assert to_money(0.1) == Decimal("0.1") != Decimal(0.1)
    assert to_money(1e23) == Decimal("1E+23") and to_money(3) == 3


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_money(number: float, refusal: Callable[..., str]) -> None:
    assert "cannot be booked" in refusal(ValueError, to_money, number)


def test_half_to_even() -> None:
    exact = {"0.125": "0.12", "0.135": "0.14", "0.1250001": "0.13", "-0.125": "-0.12", "-0.004": "0.00"}
    assert {text: str(to_cents(Decimal(text))) for text in exact} == exact
    huge = Decimal("1E+40") + Decimal("0.005")
    assert to_cents(EXACT.add(Decimal("1E+40"), Decimal("0.015"))) == EXACT.add(
        Decimal("1E+40"), Decimal("0.02")
    )
    assert huge == Decimal("1E+40")  # What 28 digits would have made of it


def test_exact_wherever_it_is_called_from() -> None:
    big, small = Decimal("123456789012345678901234567890"), Decimal("0.000000000000000000001")
    with decimal.localcontext(decimal.Context(prec=5)):
        assert str(total_of([big, small, big.copy_negate()])) == "1E-21"
        books = Ledger()
        books.move(1, "paid in", "capital", 0.1 + 0.2)
        assert str(books.balance("cash")) == "0.30000000000000004"
        assert decimal.getcontext().prec == 5

    @exactly
    def fails() -> None:
        raise RuntimeError

    before = decimal.getcontext()
    with pytest.raises(RuntimeError):
        fails()
    assert decimal.getcontext() is before


def test_three_bookings_on_paper() -> None:
    books = Ledger()
    books.move("Mon", "paid in", "capital", 1000.0)
    assert book_fill(books, "Tue", "X", 0.0, 10.0, 50.0, 50.0, 1.0) == 499
    assert book_fill(books, "Wed", "X", 10.0, 6.0, 60.0, 60.0, 1.0) == 738
    assert books.balances() == {"cash": 738, "capital": -1000, "position X": 300, "fees": 2, "profit": -40}
    assert [entry.text for entry in books.entries] == ["paid in", "bought X", "sold X"]
    assert len(journal(books)) == 2 + 3 + 4


def test_slippage_stands_by_itself() -> None:
    books = Ledger()
    book_fill(books, 1, "X", 0.0, 10.0, 50.0, 50.05, 0.0)
    book_fill(books, 2, "X", 10.0, 0.0, 50.0, 49.95, 0.0)
    assert books.balances() == {"cash": -1, "position X": 0, "slippage": 1, "profit": 0}


@pytest.mark.parametrize(
    ("before", "shares", "cost", "value", "moved"),
    [
        (0, 10, 0, 500, 500),
        (10, 5, 500, 300, 300),
        (10, -4, 500, -240, -200),
        (10, -10, 500, -600, -500),
        (10, -15, 500, -900, -800),
        (0, -5, 0, -300, -300),
        (-5, -5, -300, -200, -200),
        (-5, 2, -300, 100, 120),
        (-5, 5, -300, 200, 300),
        (-5, 8, -300, 400, 450),
    ],
)
def test_what_a_trade_moves(before: int, shares: int, cost: int, value: int, moved: int) -> None:
    assert cost_moved(*map(Decimal, (before, shares, cost, value))) == moved


@given(st.integers(0, 10**6))
def test_always_balanced(seed: int) -> None:
    rng, books, held = random.Random(seed), Ledger(), {"X": 0.0, "Y": 0.0}
    books.move(0, "paid in", "capital", rng.uniform(1, 1e9))
    for step in range(25):
        name = rng.choice("XY")
        after = rng.choice([0.0, -held[name], rng.uniform(-1e4, 1e4), rng.uniform(-1e-9, 1e-9)])
        market = rng.choice([rng.uniform(-50, 50), 10 ** rng.uniform(-8, 8)])
        cash = book_fill(
            books, step, name, held[name], after, market, market + rng.uniform(-1, 1), rng.uniform(0, 9)
        )
        held[name] = after
        assert trial_balance(books) == 0 and cash == books.balance("cash")
        if rng.random() < 0.3:
            books.move(step, "interest", "interest", rng.uniform(-5, 5))
    for name, shares in held.items():
        book_fill(books, 99, name, shares, 0.0, 7.0, 7.0, 0.0)
        assert books.balance("position " + name) == 0
    assert trial_balance(books) == 0 and added_up(books.entries) == books.balances()


def test_digits_do_not_pile_up() -> None:
    "A position that is sold in ten thousand thirds keeps short numbers."
    books, held = Ledger(), 1e6 / 3
    book_fill(books, 0, "X", 0.0, held, 1 / 3, 1 / 3, 0.0)
    for step in range(10_000):
        after = held * 0.999
        book_fill(books, step, "X", held, after, 1 / 3, 1 / 3, 0.1)
        held = after
    assert all(len(amount.as_tuple().digits) < 70 for amount in books.balances().values())
    assert trial_balance(books) == 0


def test_a_slip_of_the_pen(refusal: Callable[..., str]) -> None:
    books = Ledger()
    lines = (("cash", Decimal("-1.00")), ("fees", Decimal("0.99")))
    assert "add up to -0.01" in refusal(ValueError, books.book, "Monday", "a fee", lines)
    assert books.entries == () and books.balances() == {}


def test_never_rewritten() -> None:
    books = Ledger()
    books.move(1, "paid in", "capital", 5.0)
    with pytest.raises(AttributeError):
        books.entries[0].text = "nothing"  # type: ignore[misc]
    with pytest.raises(TypeError):
        books.entries[0] = books.entries[0]  # type: ignore[index]
    books.balances()["cash"] = Decimal(9)
    assert books.balance("cash") == 5


def test_nothing_moves_nothing_is_written() -> None:
    books = Ledger()
    books.move(1, "interest", "interest", 0.0)
    assert books.entries == () and trial_balance(books) == 0
    assert statement(books).loc["total"].tolist() == [0, 0]


def test_a_statement_of_any_day() -> None:
    books = Ledger()
    days = pd.date_range("2024-01-01", periods=3)
    books.move(days[0], "paid in", "capital", 1000.0)
    books.move(days[1], "interest", "interest", 0.125)
    books.move(days[2], "interest", "interest", 0.01)
    table = statement(books, until=days[1])
    assert table.loc["cash", "has"] == Decimal("1000.12") and table.loc["interest", "owes"] == Decimal("0.12")
    assert table.loc["total"].tolist() == [Decimal("1000.12")] * 2
    assert statement(books).loc["cash", "has"] == Decimal("1000.14")
    assert all(len(str(cell).partition(".")[2]) == 2 for cell in table.to_numpy().ravel())


def test_interrupted_at_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    "Ctrl-C may come between any two lines; afterwards there is no half of a booking."
    import sys

    lines = 0
    for stop in range(200):
        books = Ledger()
        books.move(1, "paid in", "capital", 1000.0)
        count = 0

        def trace(frame: object, event: str, argument: object) -> object:
            nonlocal count
            if event == "line":
                count += 1
                if count == stop:  # noqa: B023
                    raise KeyboardInterrupt
            return trace

        before = decimal.getcontext()
        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            book_fill(books, 2, "X", 0.0, 10.0, 50.0, 50.05, 1.0)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
            decimal.setcontext(before)
        assert trial_balance(books) == 0 and added_up(books.entries) == books.balances()
        assert len(books.entries) in (1, 2) and len(books.balances()) == (2 if len(books.entries) == 1 else 5)
        lines = max(lines, count)
        if count < stop:
            break
    assert 20 < lines < 200
