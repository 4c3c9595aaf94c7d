"""A record with a field of every type that Faust knows, and what is wrong with one that was read."""
import base64
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple
from uuid import UUID

import faust
from faust.models.fields import FloatField, IntegerField, StringField


class Point(faust.Record, namespace="test.Point"):
    x: int
    y: int


class Shape(faust.Record, abstract=True, polymorphic_fields=True, namespace="test.Shape"):
    pass


class Circle(Shape, namespace="test.Circle"):
    r: float


class Square(Shape, namespace="test.Square"):
    side: float


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Place(NamedTuple):
    lat: float
    lon: float


class Day(date):
    """A date. (A reading for `date` itself Faust uses for `datetime` too, which is a kind of it.)"""


# Faust writes these but reads them as text, unless it is told how to read them.
coercions = {Color: Color, UUID: lambda it: UUID(str(it)), Day: lambda it: Day.fromisoformat(str(it)[:10])}


class Every(
    faust.Record,
    namespace="test.Every",
    isodates=True,
    decimals=True,
    coerce=True,
    coercions=coercions,
):
    int_: int = IntegerField(input_name="int")
    float_: float = FloatField(input_name="float")
    str_: str = StringField(input_name="str")
    yes: bool
    no: bool
    base64: str
    at: datetime
    ats: List[datetime]
    day: Day
    amount: Decimal
    amounts: Dict[str, Decimal]
    id: UUID
    color: Color
    colors: Set[Color]
    numbers: List[int]
    names: Dict[str, str]
    tags: Set[str]
    pair: Tuple[int, str]
    many: Tuple[int, ...]
    place: Place
    point: Point
    points: List[Point]
    by_name: Dict[str, Point]
    shape: Shape
    shapes: List[Shape]
    anything: Any
    maybe: Optional[int] = None
    maybe_at: Optional[datetime] = None
    maybe_point: Optional[Point] = None
    maybe_shape: Optional[Shape] = None
    defaulted: int = 3
    noted: str = "none"
    left_out: str = StringField(exclude=True, required=False, default="left out")


class Blob(faust.Record, namespace="test.Blob", coerce=True):
    data: bytes


UTC = timezone.utc
FULL = dict(
    int_=-(2**63),
    float_=0.1,
    str_='é "q" \\ 中 😀 \x00\x7f\u2028',
    yes=True,
    no=False,
    base64=base64.b64encode(b"ab\x00\xff'").decode(),
    at=datetime(2020, 1, 2, 3, 4, 5, 6, UTC),
    ats=[datetime(2020, 1, 2, 3, 4, 5, 0, UTC), datetime(1999, 12, 31, 23, 59, 59, 999999, UTC)],
    day=Day(2020, 2, 29),
    amount=Decimal("1.10"),
    amounts={"k": Decimal("-3.14159265358979323846")},
    id=UUID(int=1),
    color=Color.RED,
    colors={Color.BLUE},
    numbers=[1, -2],
    names={"b": "", "é": "ü"},
    tags={"one"},
    pair=(1, "a"),
    many=(1, 2, 3),
    place=Place(1.5, -2.25),
    point=Point(1, 2),
    points=[Point(3, 4), Point(-5, 6)],
    by_name={"k": Point(7, 8)},
    shape=Circle(2.5),
    shapes=[Square(2.0), Circle(0.5)],
    anything={"a": [1, 2.5, "é", True, None]},
    maybe=7,
    maybe_at=datetime(2020, 1, 2, tzinfo=UTC),
    maybe_point=Point(9, 10),
    maybe_shape=Square(1.5),
    defaulted=4,
    noted="é",
)
OPTIONAL = ("maybe", "maybe_at", "maybe_point", "maybe_shape", "defaulted", "noted")
BARE = {name: value for name, value in FULL.items() if name not in OPTIONAL} | dict(
    int_=2**63 - 1,
    float_=1e-7,
    str_="",
    base64="",
    ats=[],
    amounts={},
    colors=set(),
    numbers=[],
    names={},
    tags=set(),
    many=(),
    points=[],
    by_name={},
    shapes=[],
    anything=None,
)

# A defect of Faust: where what they hold needs no reading of its own, these stay the lists that JSON has.
STAY_LISTS = ("tags", "pair", "many")


def differences(record, fields):
    """What of a record that was read is not as in `fields`, to the type."""
    expected = Every(**fields)
    wrong = {}
    for name in Every._options.fields:
        ours, theirs = getattr(record, name), getattr(expected, name)
        if name in STAY_LISTS:
            theirs = list(theirs)
        if type(ours) is not type(theirs) or repr(ours) != repr(theirs):
            wrong[name] = f"{ours!r} instead of {theirs!r}"
    return wrong
