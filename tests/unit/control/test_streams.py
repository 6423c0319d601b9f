"""How people write streams: every form, every mistake in it, and back again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exporter.control import ALL_STREAMS, ControlError, choose, written
from airbyte_exporter.model import Catalog, DestinationSyncMode, FieldPath, Stream, StreamSync, SyncMode

BOTH = (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
COLUMNS = ("id", "updated_at", "email", "append", "a.b", "x,y")
FULL, INCREMENTAL = BOTH
APPEND, OVERWRITE, APPEND_DEDUP, OVERWRITE_DEDUP, *_ = DestinationSyncMode


def catalog_of(*streams: Stream) -> Catalog:
    return Catalog(tuple(StreamSync(each) for each in streams), "catalog-1")


SHOP = catalog_of(
    Stream("customers", "public", COLUMNS, BOTH),
    Stream("orders", "public", COLUMNS, BOTH, default_cursor=("updated_at",), source_defined_key=(("id",),)),
    Stream("orders", "archive", COLUMNS, (FULL,)),
    Stream("events", None, COLUMNS, BOTH, source_defined_cursor=True, default_cursor=("_ab_cdc",)),
    Stream("log", None, (), BOTH, source_defined_cursor=True),
    Stream("odd: name:x", None, COLUMNS, BOTH),
    Stream("ünï cödé.v2", None, COLUMNS, BOTH),
    Stream("bare", None, (), BOTH),
)


def one(text: str) -> StreamSync:
    chosen = choose(SHOP, [text])
    assert len(chosen.streams) == len(SHOP.streams)
    assert chosen.id == "catalog-1"
    (selected,) = chosen.selected
    return selected


ID: tuple[FieldPath, ...] = (("id",),)


@pytest.mark.parametrize(
    ("text", "name", "mode", "how", "cursor", "key"),
    [
        ("customers", "public.customers", FULL, OVERWRITE, (), ()),
        ("public.orders", "public.orders", INCREMENTAL, APPEND, ("updated_at",), ID),
        ("archive.orders", "archive.orders", FULL, OVERWRITE, (), ()),
        ("events", "events", INCREMENTAL, APPEND, ("_ab_cdc",), ()),
        ("log", "log", INCREMENTAL, APPEND, (), ()),
        ("customers:full_refresh", "public.customers", FULL, OVERWRITE, (), ()),
        ("customers:Full_Refresh:APPEND", "public.customers", FULL, APPEND, (), ()),
        ("customers:full_refresh:overwrite:", "public.customers", FULL, OVERWRITE, (), ()),
        ("customers:full_refresh:overwrite_dedup:id", "public.customers", FULL, OVERWRITE_DEDUP, (), ID),
        ("customers:incremental:updated_at", "public.customers", INCREMENTAL, APPEND, ("updated_at",), ()),
        (
            "public.customers:incremental:updated_at:append_dedup:id",
            "public.customers",
            INCREMENTAL,
            APPEND_DEDUP,
            ("updated_at",),
            ID,
        ),
        (
            "customers : incremental".replace(" :", ":") + ": updated_at :append_dedup: id, email ,id",
            "public.customers",
            INCREMENTAL,
            APPEND_DEDUP,
            ("updated_at",),
            (("id",), ("email",)),
        ),
        ("public.orders:incremental:append", "public.orders", INCREMENTAL, APPEND, ("updated_at",), ID),
        (
            "public.orders:incremental::append_dedup",
            "public.orders",
            INCREMENTAL,
            APPEND_DEDUP,
            ("updated_at",),
            ID,
        ),
        (
            "public.orders:incremental:append_dedup:id",
            "public.orders",
            INCREMENTAL,
            APPEND_DEDUP,
            ("updated_at",),
            ID,
        ),
        ("events:incremental:append", "events", INCREMENTAL, APPEND, ("_ab_cdc",), ()),
        ("events:incremental:_ab_cdc:append", "events", INCREMENTAL, APPEND, ("_ab_cdc",), ()),
        ("log:incremental:append_dedup:a.b", "log", INCREMENTAL, APPEND_DEDUP, (), (("a", "b"),)),
        # A column that is called like a mode.
        ("customers:incremental:append", "public.customers", INCREMENTAL, APPEND, ("append",), ()),
        ("customers:incremental:append:append", "public.customers", INCREMENTAL, APPEND, ("append",), ()),
        (
            "customers:incremental:append:append_dedup:id",
            "public.customers",
            INCREMENTAL,
            APPEND_DEDUP,
            ("append",),
            ID,
        ),
        # Columns with a dot or a comma in their names, and one inside another.
        ("customers:incremental:a.b:append", "public.customers", INCREMENTAL, APPEND, ("a.b",), ()),
        (
            "customers:incremental:email.at:append",
            "public.customers",
            INCREMENTAL,
            APPEND,
            ("email", "at"),
            (),
        ),
        ("customers:full_refresh:append:x,y", "public.customers", FULL, APPEND, (), (("x,y",),)),
        # Names with colons, spaces and letters of any kind.
        ("odd: name:x", "odd: name:x", FULL, OVERWRITE, (), ()),
        ("odd: name:x:full_refresh:append", "odd: name:x", FULL, APPEND, (), ()),
        ("ünï cödé.v2:incremental:id:append", "ünï cödé.v2", INCREMENTAL, APPEND, ("id",), ()),
        (
            "bare:incremental:whatever:append_dedup:any",
            "bare",
            INCREMENTAL,
            APPEND_DEDUP,
            ("whatever",),
            (("any",),),
        ),
    ],
)
def test_each_form_means_what_it_says(
    text: str,
    name: str,
    mode: SyncMode,
    how: DestinationSyncMode,
    cursor: FieldPath,
    key: tuple[FieldPath, ...],
) -> None:
    sync = one(text)
    assert sync.stream.full_name == name
    assert (sync.sync_mode, sync.destination_sync_mode) == (mode, how)
    assert (sync.cursor, sync.primary_key) == (cursor, key)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("costumers", "there is no stream 'costumers'; did you mean 'public.customers'?"),
        ("public.costumers:full_refresh", "no stream 'public.costumers'; did you mean 'public.customers'?"),
        (
            "zzzzzz",
            "no stream 'zzzzzz'; its source offers archive.orders, bare, events, log, odd: name:x, public.",
        ),
        ("", "there is no stream ''; its source offers "),
        (":full_refresh", "there is no stream ''; "),
        (" customers", "there is no stream ' customers'; did you mean"),
        (
            "orders",
            "stream 'orders' means 2 streams: 'archive.orders', 'public.orders'; give the namespace too",
        ),
        ("customers:", "has the sync mode '': it is full_refresh or incremental"),
        ("customers:fast", "has the sync mode 'fast': it is full_refresh or incremental"),
        ("customers:append", "has the sync mode 'append'"),
        (
            "archive.orders:incremental:id",
            "cannot be read in mode incremental: its source offers full_refresh",
        ),
        (
            "customers:incremental",
            "needs a cursor to be read incrementally: id, updated_at, email, append, a.b, x,y",
        ),
        ("customers:incremental:append_dedup", "needs a cursor to be read incrementally"),
        ("bare:incremental:append", "needs a cursor to be read incrementally"),
        (
            "customers:incremental:updatedat:append",
            "has no column 'updatedat' for its cursor; did you mean 'updated_at'?",
        ),
        ("customers:incremental:email.:append", "has no column 'email.' for its cursor"),
        (
            "customers:incremental:updated_at:merge",
            "has the destination sync mode 'merge': it is append, overwrite, ",
        ),
        ("customers:full_refresh:updated_at:append", "has the destination sync mode 'updated_at'"),
        ("customers:full_refresh:overwrite_dedup", "needs a primary key to be written so: id, updated_at"),
        ("bare:full_refresh:overwrite_dedup", "needs a primary key to be written so"),
        ("customers:full_refresh:update", "needs a primary key to be written so"),
        (
            "customers:full_refresh:overwrite_dedup:idd",
            "has no column 'idd' for its primary key; did you mean 'id'?",
        ),
        ("customers:full_refresh:overwrite_dedup:id,,email", "has no column '' for its primary key"),
        (
            "public.orders:full_refresh:overwrite_dedup:email",
            "has a primary key of its source's own, 'id': leave 'email' out",
        ),
        ("customers:full_refresh:append_dedup:id", "cannot be written in mode append_dedup: use overwrite, "),
        ("customers:incremental:updated_at:overwrite", "cannot be written in mode overwrite: use append or "),
        ("customers:incremental:updated_at:overwrite_dedup:id", "cannot be written in mode overwrite_dedup"),
        ("events:incremental:id:append", "has a cursor of its source's own: leave 'id' out"),
        ("customers:full_refresh:append::id", "has too many parts"),
        ("customers:incremental:id:append:id:id", "has too many parts: NAME:SYNC_MODE"),
        ("*:full_refresh", "is every stream, each by default: give it alone"),
        ("x\n\x1b[31m", r"there is no stream 'x\n\x1b[31m'"),
    ],
)
def test_each_mistake_is_told_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ControlError) as caught:
        choose(SHOP, [text])
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ControlError) as caught:
        choose(SHOP, ["costumers", "bare", "bare:full_refresh:append", "orders", "*"])
    lines = str(caught.value).split("\n")
    assert len(lines) == 4
    assert lines[1] == "stream 'bare:full_refresh:append' is given twice"


def test_a_connection_without_streams_makes_no_sense() -> None:
    with pytest.raises(ControlError, match="a connection needs a stream at least"):
        choose(SHOP, [])
    for wanted in ([], ["customers"], ALL_STREAMS):
        with pytest.raises(ControlError, match="the source offers no streams"):
            choose(Catalog(()), wanted)


def test_all_streams_are_each_read_by_default() -> None:
    chosen = choose(SHOP, ALL_STREAMS)
    assert chosen.selected == chosen.streams
    assert [written(each) for each in chosen.selected] == [
        "public.customers:full_refresh:overwrite",
        "public.orders:incremental:updated_at:append",
        "archive.orders:full_refresh:overwrite",
        "events:incremental:_ab_cdc:append",
        "log:incremental:append",
        "odd: name:x:full_refresh:overwrite",
        "ünï cödé.v2:full_refresh:overwrite",
        "bare:full_refresh:overwrite",
    ]


def test_a_stream_that_is_called_a_star_can_be_chosen_by_saying_more() -> None:
    starred = catalog_of(Stream("*"), Stream("a"))
    assert len(choose(starred, ["*"]).selected) == 2
    (only,) = choose(starred, ["*:full_refresh"]).selected
    assert only.stream.name == "*"
    assert [each.stream.name for each in choose(starred, ["*", "a"]).selected] == ["*", "a"]


def test_streams_that_are_not_named_stay_in_the_catalog_unselected() -> None:
    told = replace(SHOP.streams[2], told={"mappers": [1]})
    before = replace(SHOP, streams=(*SHOP.streams[:2], told, *SHOP.streams[3:]))
    chosen = choose(before, ["customers"])
    assert chosen.streams[2] == replace(told, selected=False)
    assert chosen.streams[2].told == {"mappers": [1]}


def test_a_stream_named_alone_stays_as_it_was_synced() -> None:
    first = replace(
        SHOP.streams[0], sync_mode=INCREMENTAL, destination_sync_mode=APPEND_DEDUP, cursor=("id",)
    )
    known = replace(SHOP, streams=(first, *SHOP.streams[1:]))
    (kept,) = choose(known, ["customers"], as_before={("public", "customers")}).selected
    assert kept == first
    (by_default,) = choose(known, ["customers"]).selected
    assert by_default.destination_sync_mode is OVERWRITE


NAMES = st.text("ab:. é*'\"", min_size=1, max_size=6)
PATHS = st.lists(st.sampled_from(["id", "a", "append", "é"]), min_size=1, max_size=1).map(tuple)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    return Stream(
        draw(NAMES),
        draw(st.none() | NAMES),
        ("id", "a", "append", "é"),
        draw(st.sampled_from([(FULL,), (INCREMENTAL,), BOTH])),
        draw(st.booleans()),
        draw(st.just(()) | PATHS),
        draw(st.just(()) | PATHS.map(lambda path: (path,))),
    )


def is_clear(offered: list[Stream]) -> bool:
    """Whether each name means one stream, and none is the beginning of another with what may follow it."""
    names = [name for each in offered for name in {each.full_name, each.name}]
    return len({*names}) == len(names) and not any(
        other.startswith(f"{name}:") for name in names for other in names
    )


OFFERED = st.lists(streams(), min_size=1, max_size=4).filter(is_clear)


@given(
    OFFERED,
    st.sampled_from(["full_refresh", "incremental", "incremental:id", "incremental:append", "incremental:é"]),
    st.sampled_from(["", ":append", ":overwrite", ":append_dedup", ":append:a", ":append_dedup:id,é"]),
)
def test_what_is_written_means_the_same_again(offered: list[Stream], read: str, write: str) -> None:
    catalog = catalog_of(*offered)
    try:
        chosen = choose(catalog, [f"{offered[0].full_name}:{read}{write}"])
    except ControlError:
        return
    (sync,) = chosen.selected
    assert choose(catalog, [written(sync)]) == chosen


@given(OFFERED)
def test_all_streams_written_one_by_one_are_all_streams(offered: list[Stream]) -> None:
    catalog = catalog_of(*offered)
    chosen, why = None, ""
    try:
        chosen = choose(catalog, ALL_STREAMS)
    except ControlError as error:
        why = str(error)
    if chosen is None:
        assert all("is read incrementally only" in line for line in why.split("\n"))
    else:
        assert choose(catalog, [written(each) for each in chosen.selected]) == chosen


def test_a_stream_that_needs_a_cursor_is_not_read_as_a_whole_though_its_source_cannot() -> None:
    only = catalog_of(Stream("a", None, ("id",), (INCREMENTAL,)), Stream("b"))
    for wanted in (ALL_STREAMS, ["a"]):
        with pytest.raises(
            ControlError, match=r"^stream 'a' is read incrementally only and needs a cursor: id$"
        ):
            choose(only, wanted)
    assert len(choose(only, ["a:incremental:id"]).selected) == 1
