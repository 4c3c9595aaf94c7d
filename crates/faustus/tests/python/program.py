"""The other side of the tests: agents of Python's Faust (`worker`), and one who asks (`ask-all`).

BROKER, NAME and DATADIR say where, and under which names. What was answered is written to the file ANSWERS.
"""
import asyncio
import json
import os

import faust
from every import BARE, FULL, Blob, Every, Point, differences

NAME = os.environ["NAME"]
app = faust.App(
    f"{NAME}-python",
    broker="kafka://" + os.environ["BROKER"],
    datadir=os.environ["DATADIR"],
    topic_partitions=4,
    topic_replication_factor=1,
    broker_commit_interval=0.5,
    worker_redirect_stdouts=False,
)


if "ANSWERS" not in os.environ:
    casts = []

    @app.agent(f"{NAME}.py-double", name="py-double", value_type=int)
    async def double(stream):
        async for number in stream:
            yield number * 2

    @app.agent(f"{NAME}.py-where", name="py-where", key_type=str, value_type=str)
    async def where(stream):
        async for event in stream.events():
            yield [event.message.partition, event.key, event.value]

    @app.agent(f"{NAME}.py-untyped", name="py-untyped")
    async def untyped(stream):
        async for value in stream:
            yield {"got": repr(value)}

    @app.agent(f"{NAME}.py-mirror", name="py-mirror", value_type=Point)
    async def mirror(stream):
        async for point in stream:
            yield Point(point.y, point.x)

    @app.agent(f"{NAME}.py-casts", name="py-casts", value_type=str)
    async def note(stream):
        async for text in stream:
            casts.append(text)
            yield casts

    @app.agent(f"{NAME}.py-every", name="py-every", value_type=Every)
    async def every(stream):
        async for record in stream:
            yield Every(**{field: getattr(record, field) for field in Every._options.fields})

    @app.agent(f"{NAME}.py-wrong", name="py-wrong", value_type=Every)
    async def wrong(stream):
        async for record in stream:
            yield [differences(record, FULL), differences(record, BARE)]

    @app.agent(f"{NAME}.py-blob", name="py-blob", value_type=Blob)
    async def blob(stream):
        async for record in stream:
            yield [list(record.data), Blob(record.data).dumps(serializer="json").decode()]

    def tell_keys(name, **options):
        """An agent that tells what the keys of its topic are to Python."""
        topic = app.topic(f"{NAME}.{name}", **options)

        @app.agent(topic, name=name)
        async def key(stream):
            async for event in stream.events():
                yield [event.message.partition, repr(event.key)]

    tell_keys("py-key-int", key_type=int)
    tell_keys("py-key-bytes", key_type=bytes)
    tell_keys("py-key-record", key_type=Point, key_serializer="json")
    tell_keys("py-key-json", key_serializer="json")

else:

    def foreign(name, value_type=None, keys={"key_type": str}, **options):
        """An agent that runs elsewhere, to be asked."""
        topic = app.topic(f"{NAME}.{name}", value_type=value_type, **keys)

        async def agent(stream):
            async for value in stream:
                yield value

        label = name + "-".join(options)
        return app.agent(topic, name=label, **options)(agent)

    double = foreign("rs-double", int)
    enveloped = foreign("rs-double", int, use_reply_headers=False)
    mirror = foreign("rs-mirror", Point)
    mirror_enveloped = foreign("rs-mirror", Point, use_reply_headers=False)
    fail = foreign("rs-fail", str)
    where = foreign("rs-where", str)
    where_json = foreign("rs-where-json", str, keys={"key_serializer": "json"})
    every = foreign("rs-every", Every)


@app.command()
async def ask_all(self):
    """Asks agents that are not Python's."""
    answers = {}

    async def note(what, awaitable):
        try:
            answers[what] = await asyncio.wait_for(awaitable, 40)
        except Exception as error:
            answers[what] = f"{type(error).__name__}: {error}"

    await note("headers", double.ask(21, key="k"))
    await note("no key", double.ask(22))
    await note("envelope", enveloped.ask(23, key="k"))
    await note("record", mirror.ask(Point(1, 2), key="k"))
    await note("record in an envelope", mirror_enveloped.ask(Point(3, 4), key="k"))
    await note("failure", fail.ask("whatever", key="k"))
    await note("join", double.join([1, 2, 3]))
    await note("kvjoin", double.kvjoin([("a", 4), ("b", 5)]))
    await note("cast", double.cast(1000, key="k"))
    await note("cast in an envelope", enveloped.cast(1001, key="k"))
    for key in ["a", "b", "k", "é", "account-17", ""]:
        await note("where " + key, where.ask("here", key=key))
    await note("where bytes", where.ask("here", key=b"\xff\x00"))
    keys = {"int": 5, "float": 1.5, "tuple": ("a", 1), "é": "é", "record": Point(1, 2)}
    for what, key in keys.items():
        await note("where JSON " + what, where_json.ask("here", key=key))

    async def back(fields):
        return differences(Every.from_data(await every.ask(Every(**fields), key="k")), fields)

    await note("every, full", back(FULL))
    await note("every, bare", back(BARE))
    unfinished = os.environ["ANSWERS"] + ".part"
    with open(unfinished, "w", encoding="utf-8") as file:
        json.dump(answers, file, default=repr)
    os.rename(unfinished, os.environ["ANSWERS"])


if __name__ == "__main__":
    app.main()
