"The real pandas-datareader against a server on this machine; factors against what others have printed."

import io
import sys
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from arch.data import frenchdata
from webserver import Answer, Web

import alphatwin as at
from alphatwin.data import macro
from alphatwin.data.macro import FACTORS, load_factors, load_fred, need, to_factors

Refusal = Callable[..., str]
# As FRED prints it, holidays (Lincoln's and Washington's birthdays) with a lone point.
DGS10 = """observation_date,DGS10
1962-02-08,4.07
1962-02-09,4.05
1962-02-12,.
1962-02-13,4.03
1962-02-21,4.05
1962-02-22,.
1962-02-23,4.02
"""
ROWS = [
    ("1962-02-08", 4.07),
    ("1962-02-09", 4.05),
    ("1962-02-13", 4.03),
    ("1962-02-21", 4.05),
    ("1962-02-23", 4.02),
]


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


def fred(web: Web, *answers: Answer) -> str:
    web.plan("/fred", *answers)
    return web.url + "/fred"


# FRED


def test_a_series_as_it_is_printed_and_its_empty_lines_are_counted(web: Web) -> None:
    closes = load_fred("DGS10", url=fred(web, Answer(DGS10)))
    assert list(zip(closes.index.strftime("%Y-%m-%d"), closes["close"], strict=True)) == ROWS
    assert closes.attrs == {"empty_rows": 2} and list(closes.columns) == ["close"]
    assert closes.index.name == "time" and closes.index.tz is None and closes["close"].dtype == np.float64
    assert closes.index.dtype == "datetime64[ns]"
    assert web.asked[0].query == {"id": "DGS10"} and web.count() == 1


@pytest.mark.parametrize(
    "text", [DGS10.replace("\n", "\r\n"), "\ufeff" + DGS10, DGS10.replace("observation_date", "DATE")]
)
def test_other_ends_of_lines_a_mark_at_the_start_and_the_old_header(web: Web, text: str) -> None:
    closes = load_fred("DGS10", url=fred(web, Answer(text)))
    assert closes["close"].tolist() == [value for _, value in ROWS] and closes.attrs["empty_rows"] == 2


def test_an_empty_cell_is_missing_too(web: Web) -> None:
    text = "observation_date,CPI\n2025-09-01,324.4\n2025-10-01,\n2025-11-01,324.1\n"
    closes = load_fred("cpi", url=fred(web, Answer(text)))
    assert closes["close"].tolist() == [324.4, 324.1] and closes.attrs["empty_rows"] == 1


def test_start_and_end_are_inclusive_and_the_count_is_of_what_was_asked(web: Web) -> None:
    url = fred(web, Answer(DGS10))
    closes = load_fred("DGS10", "1962-02-09", "1962-02-13", url=url)
    assert closes["close"].tolist() == [4.05, 4.03] and closes.attrs["empty_rows"] == 1
    assert load_fred("DGS10", "1962-02-13", url=url).attrs["empty_rows"] == 1
    assert len(load_fred("DGS10", end="1962-02", url=url)) == 5


def test_without_dates_all_of_it_and_not_the_last_five_years(web: Web) -> None:
    text = "observation_date,GNP\n1790-01-01,0.189\n2150-01-01,9.5\n"
    assert load_fred("GNP", url=fred(web, Answer(text))).index.year.tolist() == [1790, 2150]


def test_through_load_it_is_closes_only(web: Web) -> None:
    closes = at.load(
        "DGS10", source="fred", start="1962-02-09", end="1962-02-21", url=fred(web, Answer(DGS10))
    )
    assert closes["close"].tolist() == [4.05, 4.03, 4.05] and list(closes.columns) == ["close"]
    (entry,) = at.loaded().values()
    assert (entry["source"], entry["symbol"], entry["rows"]) == ("fred", "DGS10", 3)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(web: Web, status: int) -> None:
    pauses: list[float] = []
    url = fred(web, Answer("later", status=status, headers={"Retry-After": "7"}), Answer(DGS10))
    assert len(load_fred("DGS10", url=url, sleep=pauses.append)) == 5
    assert pauses == [7.0] and web.count("/fred") == 2


@pytest.mark.parametrize("bad", [Answer(status=0), Answer(DGS10, truncate=40)])
def test_a_connection_that_breaks_is_asked_again(web: Web, bad: Answer) -> None:
    pauses: list[float] = []
    assert len(load_fred("DGS10", url=fred(web, bad, Answer(DGS10)), sleep=pauses.append)) == 5
    assert pauses == [0.5]


@pytest.mark.parametrize(
    ("bad", "words", "asked"),
    [
        (Answer("<html>Not Found</html>", status=404), ["error 404", "check the name"], 1),
        (Answer("bad", status=400), ["error 400", "check the name"], 1),
        (Answer("<html>Down</html>"), ["begins with '<html>Down</html>'", "check the name"], 1),
        (Answer(""), ["empty", "check the name"], 1),
        (Answer("\n \n"), ["empty"], 1),
        (Answer(DGS10.replace(",DGS10", ",DGS2")), ["begins with 'observation_date,DGS2'"], 1),
        (Answer(DGS10.replace(",DGS10", ",DGS10,DGS2")), ["begins with 'observation_date,DGS10,DGS2'"], 1),
        (Answer(DGS10[:-2]), ["cut short", "ask again later"], 1),
        (Answer(DGS10.replace("4.03", "4.O3")), ["1962-02-13", "'4.O3'", "not a number"], 1),
        (Answer(DGS10.replace("1962-02-13", "13 Feb")), ["could not be read"], 1),
        (Answer(DGS10.replace("4.03", "4.03,1,2")), ["could not be read"], 1),
        (Answer(DGS10[:23]), ["no numbers from the start to the end", "it has none at all"], 1),
        (Answer("observation_date,DGS10\n1962-02-12,.\n"), ["no numbers", "it has none at all"], 1),
        (Answer(DGS10, status=503), ["no answer in 4 tries", "error 503"], 4),
        (Answer(DGS10, status=429, headers={"Retry-After": "300"}), ["error 429", "in 300 s"], 1),
        (Answer(DGS10, truncate=40), ["no answer in 4 tries", "dropped"], 4),
        (Answer(DGS10, delay=5), ["no answer in 4 tries", "too slow"], 4),
    ],
)
def test_what_is_no_series_is_refused(
    web: Web, refusal: Refusal, bad: Answer, words: list[str], asked: int
) -> None:
    url = fred(web, bad)
    sentence = refusal(at.SourceError, load_fred, "DGS10", url=url, timeout=0.3, sleep=lambda pause: None)
    assert sentence.startswith("DGS10 from FRED: ") and all(word in sentence for word in words), sentence
    assert web.count() == asked and str(web.port) not in sentence


def test_days_without_numbers_are_an_error_that_says_what_there_is(web: Web, refusal: Refusal) -> None:
    url = fred(web, Answer(DGS10))
    sentence = refusal(at.SourceError, load_fred, "DGS10", "2001-01-01", "2001-12-31", url=url)
    assert "no numbers from 2001-01-01 to 2001-12-31; it has 1962-02-08 to 1962-02-23" in sentence
    sentence = refusal(at.SourceError, load_fred, "DGS10", "1962-02-22", "1962-02-22", url=url)
    assert "no numbers from 1962-02-22" in sentence  # There is a line, but it holds no number


def test_nobody_listens(refusal: Refusal) -> None:
    with Web() as gone:
        url = gone.url
    sentence = refusal(at.SourceError, load_fred, "DGS10", url=url + "/fred", sleep=lambda pause: None)
    assert "no answer in 4 tries: the connection was refused" in sentence


def test_a_library_that_is_not_installed(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pandas_datareader"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    sentence = refusal(at.SourceError, load_fred, "DGS10")
    assert sentence == "pandas_datareader is not installed; pip install 'alphatwin[sources]'"
    sentence = refusal(at.SourceError, load_factors, source="famafrench")
    assert "pip install 'alphatwin[sources]'" in sentence
    assert need("json", "sources").dumps(1) == "1"


class Absent:
    "As if pandas-datareader had never been installed."

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "pandas_datareader":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


# Factors


def test_the_sample_has_the_library_s_own_figures() -> None:
    # As printed in the file F-F_Research_Data_Factors of K. R. French's data library, in per cent.
    factors = load_factors()
    assert factors.loc["1926-07-31"].round(6).to_dict() == {
        "market_excess": 0.0296,
        "size": -0.0230,
        "value": -0.0287,
        "risk_free": 0.0022,
    }
    printed = {"1929-10": -20.12, "1931-09": -29.13, "1933-04": 38.85, "1987-10": -23.24, "2008-10": -17.23}
    for month, percent in printed.items():
        assert factors.loc[month, "market_excess"].item() == pytest.approx(percent / 100, abs=1e-12)
    assert factors.attrs == {"empty_rows": 0}


def test_the_sample_is_every_month_once_dated_by_its_last_day() -> None:
    index = load_factors().index
    assert index.equals(pd.date_range("1926-07-31", "2018-11-30", freq="ME", name="time", unit="ns"))
    assert index.name == "time" and index.dtype == "datetime64[ns]"
    assert pd.Timestamp("2000-02-29") in index


def test_the_months_are_the_right_ones(spx: pd.DataFrame) -> None:
    "An independent series, the S&P 500, moves with the market of the same month and of no other."
    factors = load_factors()
    market = factors["market_excess"] + factors["risk_free"]
    index = spx["close"].resample("ME").last().pct_change().dropna()
    assert index.corr(market) > 0.98
    assert all(abs(index.corr(market.shift(months))) < 0.2 for months in (-12, -1, 1, 12))


def test_the_crash_of_1987_against_another_package() -> None:
    data = pytest.importorskip("great_tables.data")
    prices = data.sp500.set_index(pd.to_datetime(data.sp500["date"]))["close"].sort_index()
    fall = prices["1987-10"].iloc[-1] / prices["1987-09"].iloc[-1] - 1
    market = load_factors().loc["1987-10-31"]
    assert fall == pytest.approx(market["market_excess"] + market["risk_free"], abs=0.015)


def test_true_dates_of_a_later_package_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_factors()
    odd = frenchdata.load()
    dates = pd.period_range("1926-07", periods=len(odd), freq="M").to_timestamp()
    monkeypatch.setattr(frenchdata, "load", lambda: odd.set_axis(dates, axis=0))
    pd.testing.assert_frame_equal(load_factors(), before)


def test_start_and_end_of_factors() -> None:
    factors = load_factors(start="1987-10-31", end="1987-12-30")
    assert factors.index.strftime("%Y-%m").tolist() == ["1987-10", "1987-11"]
    assert len(load_factors(start="1987", end="1987")) == 12


def packed(text: str, name: str = "factors.CSV") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return file.getvalue()


def library(columns: str, rows: list[str], annual: bool = True) -> bytes:
    "A file as the library prints it: words, a monthly or daily table, an annual one, a copyright."
    words = [
        "This file was created by CMPT_ME_BEME_RETS using the 202108 CRSP database.",
        "Missing: -99.99 or -999.",
    ]
    years = [f"  {year},    1.00" for year in range(1927, 2021)]
    tables = ["", " Annual Factors: January-December ", ",Mkt-RF", *years] if annual else []
    return packed(
        "\r\n".join([*words, "", columns, *rows, *tables, "", "Copyright 2021 Kenneth R. French", ""])
    )


def months(count: int, *columns: Callable[[int], str]) -> list[str]:
    stamps = pd.period_range("1926-07", periods=count, freq="M")
    return [",".join([f"{stamp:%Y%m}", *(cell(i) for cell in columns)]) for i, stamp in enumerate(stamps)]


def french(web: Web, *answers: Answer) -> str:
    web.plan("/ftp/*", *answers)
    return web.url + "/ftp"


def test_the_first_of_several_tables_in_fractions(web: Web) -> None:
    rows = months(120, lambda i: f"{i / 4:8.2f}", lambda i: f"{-i:8.2f}", lambda i: "    0.22")
    url = french(web, Answer(library(",Mkt-RF,SMB,RF", rows)))
    factors = load_factors(source="famafrench", url=url)
    assert list(factors.columns) == ["market_excess", "size", "risk_free"] and len(factors) == 120
    np.testing.assert_allclose(factors["market_excess"], np.arange(120) / 400, rtol=1e-12)
    np.testing.assert_allclose(factors["size"], -np.arange(120) / 100, rtol=1e-12)
    assert (factors.index[0], factors.index[-1]) == (pd.Timestamp("1926-07-31"), pd.Timestamp("1936-06-30"))
    assert [one.path for one in web.asked] == ["/ftp/F-F_Research_Data_Factors_CSV.zip"]


def test_momentum_with_its_blanks_and_missing_months(web: Web) -> None:
    cells = {3: " -99.99", 4: "-999", 5: "-99.98"}
    rows = months(120, lambda i: cells.get(i, f"{i:7.2f}"))
    factors = load_factors(
        "F-F_Momentum_Factor", source="famafrench", url=french(web, Answer(library(",Mom   ", rows)))
    )
    assert list(factors.columns) == ["momentum"] and factors.attrs == {"empty_rows": 2}
    assert len(factors) == 118 and factors["momentum"].iloc[3] == pytest.approx(-0.9998)
    assert "1926-10-31" not in factors.index and "1926-12-31" in factors.index


def test_daily_files_are_dated_by_the_day(web: Web) -> None:
    days = pd.bdate_range("1926-07-01", periods=90)
    rows = [f"{day:%Y%m%d},    0.10,    0.009" for day in days]
    name = "F-F_Research_Data_Factors_daily"
    url = french(web, Answer(library(",Mkt-RF,RF", rows, annual=False)))
    factors = load_factors(name, source="famafrench", url=url, start="1926-07-02")
    assert factors.index.equals(days[1:].as_unit("ns").set_names("time"))
    assert factors["risk_free"].iloc[0] == pytest.approx(0.00009)


def test_the_five_factors_and_momentum_have_names_of_their_own() -> None:
    table = pd.DataFrame(
        1.0,
        index=pd.PeriodIndex(["2000-01"], freq="M"),
        columns=["Mkt-RF", "SMB", "HML", "RMW", "CMA", "Mom", "RF"],
    )
    named = ["market_excess", "size", "value", "profitability", "investment", "momentum", "risk_free"]
    assert list(to_factors(table, "x").columns) == named and set(FACTORS.values()) == set(named)


def test_a_busy_library_is_asked_again(web: Web) -> None:
    whole = library(",Mkt-RF,RF", months(60, lambda i: "1.00", lambda i: "0.1"))
    bad = [Answer(status=429, headers={"Retry-After": "3"}), Answer(status=502), Answer(whole, truncate=50)]
    pauses: list[float] = []
    factors = load_factors(source="famafrench", url=french(web, *bad, Answer(whole)), sleep=pauses.append)
    assert len(factors) == 60 and pauses == [3.0, 1.0, 2.0] and web.count() == 4


GOOD = library(",Mkt-RF,RF", months(60, lambda i: "1.00", lambda i: "0.1"))
GAPS = library(",Mkt-RF,RF", months(60, lambda i: "-99.99", lambda i: "0.1"))
FIRMS = library(",Number of Firms", months(90, lambda i: f"{400 + i}"))
# The reader takes a first table this short for text; what it then calls the first is the annual one.
SHORT = library(",Mkt-RF", months(40, lambda i: "1.00"))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Answer(status=404), ["error 404", "check the name"]),
        (Answer("<html>moved</html>"), ["no zip file", "b'<html>moved</html>'"]),
        (Answer(""), ["no zip file"]),
        (Answer(GOOD[:200]), ["could not be read", "BadZipFile"]),
        (Answer(packed("")), ["no table of months or days"]),
        (Answer(packed("words\r\n\r\nand more words")), ["no table of months or days"]),
        (Answer(packed("x" * 1000)), ["no table of months or days"]),
        (
            Answer(packed("\n".join([",Mkt-RF", *months(99, str), "", " Annual", "1927, 1"]))),
            ["could not be read"],
        ),
        (Answer(SHORT), ["no table of months or days"]),
        (Answer(GAPS), ["no row has all its numbers", "60"]),
        (Answer(FIRMS), ["no table of factors", "'Number of Firms'", "Mkt-RF"]),
        (Answer(GOOD.replace(b"PK", b"PX")), ["no zip file"]),
    ],
)
def test_what_is_no_file_of_factors_is_refused(
    web: Web, refusal: Refusal, bad: Answer, words: list[str]
) -> None:
    url = french(web, bad)
    sentence = refusal(at.SourceError, load_factors, "Some", source="famafrench", url=url)
    assert sentence.startswith("Some: ") and all(word in sentence for word in words), sentence
    assert web.count() == 1


def test_a_cell_that_is_no_number_is_refused(web: Web, refusal: Refusal) -> None:
    rows = months(60, lambda i: "1.O0" if i == 7 else "1.00", lambda i: "0.1")
    sentence = refusal(
        at.SourceError,
        load_factors,
        "Some",
        source="famafrench",
        url=french(web, Answer(library(",Mkt-RF,RF", rows))),
    )
    assert "Some" in sentence and "1.O0" in sentence


def test_other_refusals(refusal: Refusal) -> None:
    cases = [
        ({"name": "F-F_Momentum_Factor"}, ["no sample of F-F_Momentum_Factor", "source='famafrench'"]),
        ({"source": "yahoo"}, ["no source 'yahoo'", "sample, famafrench"]),
        ({"start": "2030-01-01"}, ["no rows from 2030-01-01", "it has 1926-07-31 to 2018-11-30"]),
    ]
    for options, words in cases:
        sentence = refusal(at.SourceError, load_factors, **options)
        assert all(word in sentence for word in words), sentence


def test_the_notebook_s_words_about_the_premium() -> None:
    factors = load_factors()
    assert round(factors["market_excess"].mean(), 4) == 0.0066
    grown = (1 + factors["market_excess"]).cumprod()
    assert (grown / grown.cummax() - 1)["1929":"1933"].min() < -0.8


def test_nothing_is_loaded_before_it_is_needed() -> None:
    assert "pandas_datareader" not in vars(macro) and "arch" not in vars(macro)
