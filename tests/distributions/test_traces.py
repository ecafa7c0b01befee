"""Arrival instants from CSV files, good and bad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simlib import Trace
from simlib.distributions.traces import TraceError, read_times

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str | bytes, encoding: str = "utf-8") -> Path:
        path = tmp_path / "arrivals.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write_file


def seconds(path: Path, column: str | int = 0) -> list[float]:
    return read_times(path, column).tolist()


# Numbers, dates, headers, columns


def test_numbers_are_seconds_counted_from_the_first(write: Write) -> None:
    assert seconds(write("10\n10.5\n13e0\n")) == [0.0, 0.5, 3.0]


def test_one_arrival_is_enough(write: Write) -> None:
    assert seconds(write("42.5\n")) == [0.0]
    assert seconds(write("time\n2024-05-01 12:00:00")) == [0.0]


def test_negative_seconds_are_instants_too(write: Write) -> None:
    assert seconds(write("-5\n-4\n1\n")) == [0.0, 1.0, 6.0]


def test_the_result_is_an_array_of_floats(write: Write) -> None:
    times = read_times(write("1\n2\n"))
    assert isinstance(times, np.ndarray)
    assert times.dtype == np.float64


def test_a_path_may_be_text(write: Write) -> None:
    assert read_times(str(write("1\n2\n"))).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("header", ["time", "TIMESTAMP", "t [s]", '"when, exactly"', "1st", "#"])
def test_a_first_line_that_is_no_time_is_a_header(write: Write, header: str) -> None:
    assert seconds(write(f"{header}\n1\n3\n")) == [0.0, 2.0]


def test_without_a_header_the_first_line_counts(write: Write) -> None:
    assert seconds(write("1\n3\n")) == [0.0, 2.0]
    assert seconds(write("2024-05-01T00:00:00\n2024-05-01T00:00:02\n")) == [0.0, 2.0]


TABLE = "id,when,size\n7,100,5\n8,101,5\n9,103.5,5\n"


@pytest.mark.parametrize("column", ["when", 1])
def test_a_column_goes_by_name_or_by_place(write: Write, column: str | int) -> None:
    assert seconds(write(TABLE), column) == [0.0, 1.0, 3.5]


def test_a_name_is_found_with_space_around_it(write: Write) -> None:
    assert seconds(write("id, when \n1,5\n2,6\n"), "when") == [0.0, 1.0]


def test_a_missing_column_is_named_beside_those_that_are_there(write: Write) -> None:
    with pytest.raises(TraceError, match=r"arrivals.csv, line 1: no column 'time' among 'id', 'wh"):
        read_times(write(TABLE), "time")


@pytest.mark.parametrize("column", [3, -1])
def test_a_column_that_the_file_does_not_have_is_refused(write: Write, column: int) -> None:
    with pytest.raises(TraceError, match=rf"line 1: no cell in column {column} of 3"):
        read_times(write(TABLE), column)


def test_a_row_that_is_too_short_is_named_by_its_line(write: Write) -> None:
    with pytest.raises(TraceError, match=r"arrivals.csv, line 3: no cell in column 1 of 1"):
        read_times(write("id,when\n1,5\n2\n3,7\n"), "when")


def test_a_row_that_is_shorter_elsewhere_does_no_harm(write: Write) -> None:
    assert seconds(write("when,id\n5,1\n6\n7,3\n"), "when") == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("row", ["1,000", "1,5;2"])
@pytest.mark.parametrize("first", ["time", "0.5", "# seconds"])
def test_a_row_with_more_cells_than_the_first_is_refused(
    write: Write, first: str, row: str
) -> None:
    with pytest.raises(TraceError, match=r"line 3: 2 cells, but the first row has 1; quote a cell"):
        read_times(write(f"{first}\n1\n{row}\n"))


NO_TIMES = ["NaT", "nan", "inf", "-inf", "2020-13-45", "1.2.3", "now", "Today", "2020-13-45T01:00Z"]


@pytest.mark.parametrize("cell", NO_TIMES)
@pytest.mark.parametrize("others", ["1\n2\n", "2024-05-01\n2024-05-02\n"])
def test_a_first_cell_that_is_no_time_is_not_dropped_as_a_header(
    write: Write, cell: str, others: str
) -> None:
    with pytest.raises(TraceError, match=r"line 1: .* is not a number of seconds, or a date"):
        read_times(write(f"{cell}\n{others}"))


@pytest.mark.parametrize("cell", ["now", "today", "NOW", "Today"])
def test_the_wall_clock_is_no_recorded_time(write: Write, cell: str) -> None:
    with pytest.raises(TraceError, match=r"line 3: .* is not a date and time in ISO 8601"):
        read_times(write(f"time\n2024-05-01\n{cell}\n"))


def test_equal_times_arrive_together(write: Write) -> None:
    assert seconds(write("1\n1\n1\n2\n")) == [0.0, 0.0, 0.0, 1.0]


# The text of the file


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_ending_will_do(write: Write, ending: str) -> None:
    assert seconds(write(ending.join(["time", "1", "2", ""])), "time") == [0.0, 1.0]


def test_a_byte_order_mark_is_no_part_of_the_first_cell(write: Write) -> None:
    assert seconds(write("time\n1\n2\n", "utf-8-sig"), "time") == [0.0, 1.0]
    assert seconds(write("1\n2\n", "utf-8-sig")) == [0.0, 1.0]


def test_blank_lines_are_skipped_and_still_counted(write: Write) -> None:
    assert seconds(write("\n\ntime\n\n1\n   \n2\n,,\n\n"), "time") == [0.0, 1.0]
    with pytest.raises(TraceError, match="line 5: 'x'"):
        read_times(write("time\n\n1\n\nx\n"), "time")


def test_cells_may_be_quoted(write: Write) -> None:
    text = 'what,"when"\n"a, b","2024-05-01 00:00:00"\n"c ""d""\ne","2024-05-01 00:00:01"\n'
    assert seconds(write(text), "when") == [0.0, 1.0]


def test_lines_are_counted_in_the_file_even_when_a_cell_has_several(write: Write) -> None:
    with pytest.raises(TraceError, match="line 5: 'x'"):
        read_times(write('what,when\n"a\nb",1\nc,2\nd,x\n'), "when")


def test_space_around_a_cell_is_dropped(write: Write) -> None:
    assert seconds(write(" 1 \n 2\t\n")) == [0.0, 1.0]


def test_a_quote_that_is_never_closed_is_an_error(write: Write) -> None:
    with pytest.raises(TraceError, match=r"arrivals.csv, line \d"):
        read_times(write('time\n1\n"2\n3\n'))


@pytest.mark.parametrize("text", ["", "\n\n", "time\n", "time", "\ufeff"])
@pytest.mark.parametrize("column", [0, "time"])
def test_a_file_without_arrivals_is_refused(write: Write, text: str, column: str | int) -> None:
    with pytest.raises(TraceError, match=r"arrivals\.csv"):
        read_times(write(text), column)


@pytest.mark.parametrize("text", ["", "\n", "time\n"])
def test_the_error_says_that_nothing_arrives(write: Write, text: str) -> None:
    with pytest.raises(TraceError, match="holds no arrivals"):
        read_times(write(text))


def test_a_file_in_another_encoding_is_refused(write: Write) -> None:
    with pytest.raises(TraceError, match=r"arrivals.csv is not UTF-8 text"):
        read_times(write("größe,time\n1,2\n", "latin-1"), "time")
    with pytest.raises(TraceError, match=r"arrivals.csv is not UTF-8 text"):
        read_times(write("time\n1\n", "utf-16"))


def test_a_file_that_is_not_there_is_a_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_times(tmp_path / "none.csv")


def test_a_trace_error_is_a_value_error() -> None:
    assert issubclass(TraceError, ValueError)


# Bad rows


@pytest.mark.parametrize(
    "cell", ["x", "12:00", "nan", "NaN", "inf", "-inf", "1,5", "", "2024-05-01"]
)
def test_a_cell_that_is_no_number_is_named_by_its_line(write: Write, cell: str) -> None:
    text = f'id,time\n1,1\n2,2\n3,"{cell}"\n4,4\n'
    with pytest.raises(TraceError, match=r"arrivals.csv, line 4: ") as caught:
        read_times(write(text), "time")
    assert repr(cell) in str(caught.value)
    assert "number of seconds" in str(caught.value)


@pytest.mark.parametrize(
    "cell", ["x", "2024-13-01", "2024-05-01 25:00:00", "01.05.2024", "", "7.5"]
)
def test_a_cell_that_is_no_date_is_named_by_its_line(write: Write, cell: str) -> None:
    text = f"time,id\n2024-05-01 00:00:00,1\n\n{cell},2\n"
    with pytest.raises(TraceError, match=r"arrivals.csv, line 4: ") as caught:
        read_times(write(text), "time")
    assert repr(cell) in str(caught.value)
    assert "ISO 8601" in str(caught.value)


@pytest.mark.parametrize("cell", ["soon", "nan", "-inf"])
def test_a_first_row_that_is_no_time_is_not_called_an_example(write: Write, cell: str) -> None:
    with pytest.raises(TraceError, match=r"arrivals.csv, line 2: ") as caught:
        read_times(write(f"time\n{cell}\n1\n"), "time")
    assert repr(cell) in str(caught.value)
    assert "as the first row is" not in str(caught.value)


@pytest.mark.parametrize("year", ["0001", "1600", "2500", "9999"])
def test_a_date_that_nanoseconds_cannot_reach_is_named_by_its_line(write: Write, year: str) -> None:
    with pytest.raises(TraceError, match=rf"arrivals.csv, line 3: '{year}"):
        read_times(write(f"time\n2024-01-01 00:00:00\n{year}-01-01 00:00:01\n"))


def test_times_that_go_back_are_named_by_their_line(write: Write) -> None:
    with pytest.raises(TraceError, match=r"arrivals.csv, line 4: '1.5' is earlier .*'2'.* sort"):
        read_times(write("time\n1\n2\n1.5\n3\n"))


def test_dates_that_go_back_are_named_by_their_line(write: Write) -> None:
    text = "2024-05-01 00:00:01\n2024-05-01 00:00:00.999999999\n"
    with pytest.raises(TraceError, match=r"line 2: '2024-05-01 00:00:00.999999999' is earlier"):
        read_times(write(text))


# Dates


def test_a_t_or_a_space_is_between_date_and_time(write: Write) -> None:
    assert seconds(write("2024-05-01T10:00:00\n2024-05-01 10:00:01\n")) == [0.0, 1.0]


def test_dates_alone_are_midnights(write: Write) -> None:
    assert seconds(write("2024-02-28\n2024-03-01\n")) == [0.0, 2 * 86400.0]


def test_seven_digits_of_a_second_are_kept(write: Write) -> None:
    text = "2023-11-16 18:15:46.6805900\n2023-11-16 18:15:50.9951691\n"
    assert seconds(write(text)) == [0.0, 4.3145791]


def test_nine_digits_of_a_second_are_kept_years_after_the_epoch(write: Write) -> None:
    text = "2023-11-16 18:15:46.000000001\n2023-11-16 18:15:46.000000003\n"
    assert seconds(write(text)) == [0.0, 2e-9]


def test_digits_may_differ_from_row_to_row(write: Write) -> None:
    text = "2024-05-01 00:00:00\n2024-05-01 00:00:00.5\n2024-05-01 00:00:01.250000\n"
    assert seconds(write(text)) == [0.0, 0.5, 1.25]


@pytest.mark.parametrize("zone", ["Z", "+00:00", "+0530", "-08:00", "+02"])
def test_an_offset_that_all_have_changes_nothing(write: Write, zone: str) -> None:
    assert seconds(write(f"2024-05-01T23:59:59{zone}\n2024-05-02T00:00:01{zone}\n")) == [0.0, 2.0]


def test_offsets_are_applied(write: Write) -> None:
    text = "2024-05-01T12:00:00+02:00\n2024-05-01T10:00:01Z\n2024-05-01T05:00:02-05:00\n"
    assert seconds(write(text)) == [0.0, 1.0, 2.0]


def test_order_is_judged_with_the_offsets_applied(write: Write) -> None:
    with pytest.raises(TraceError, match="line 2"):
        read_times(write("2024-05-01T12:00:00Z\n2024-05-01T12:00:01+01:00\n"))


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("2024-05-01T12:00:00Z", "2024-05-01T12:00:01", "has no offset from UTC, but the first"),
        ("2024-05-01T12:00:00", "2024-05-01T12:00:01+02:00", "has an offset from UTC, but the fi"),
        ("2024-05-01T12:00:00", "2024-05-01T12:00:01Z", "has an offset from UTC, but the first"),
        ("2024-05-01T12:00:00-05:00", "2024-05-02", "has no offset from UTC, but the first"),
    ],
)
def test_times_with_and_without_offset_do_not_mix(
    write: Write, first: str, second: str, says: str
) -> None:
    with pytest.raises(TraceError, match=r"arrivals.csv, line 3: ") as caught:
        read_times(write(f"time\n{first}\n{second}\n"), "time")
    assert says in str(caught.value)


def test_with_offsets_the_end_of_summer_time_is_one_hour_like_any_other(write: Write) -> None:
    text = "2024-10-27T02:30:00+02:00\n2024-10-27T02:30:00+01:00\n2024-10-27T03:00:00+01:00\n"
    assert seconds(write(text)) == [0.0, 3600.0, 5400.0]


def test_without_offsets_the_end_of_summer_time_goes_back_and_is_refused(write: Write) -> None:
    with pytest.raises(TraceError, match=r"line 2: '2024-10-27T02:10:00' is earlier"):
        read_times(write("2024-10-27T02:50:00\n2024-10-27T02:10:00\n"))


def test_without_offsets_the_start_of_summer_time_is_the_jump_that_it_shows(write: Write) -> None:
    assert seconds(write("2024-03-31T01:59:59\n2024-03-31T03:00:00\n")) == [0.0, 3601.0]


# Into a scenario


def test_a_trace_is_made_from_a_file(write: Write) -> None:
    path = write(TABLE)
    assert Trace.from_csv(path, "when") == Trace([0.0, 1.0, 3.5])
    assert Trace.from_csv(str(path), 1) == Trace([0.0, 1.0, 3.5])
    with pytest.raises(TraceError, match="line 1"):
        Trace.from_csv(path, "time")
