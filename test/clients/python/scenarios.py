"""The scenarios of ../scenarios.md with the openai Python package: one line of JSON for each, {"name", "error"}."""

import base64
import json
import os
import sys
import time
import traceback
import uuid

import openai
from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0, timeout=60)
elsewhere = OpenAI(base_url=os.environ["OTHER_BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0, timeout=60)

UNKNOWN = "resp_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

scenarios = {}


def scenario(name):
    def register(run):
        scenarios[name] = run
        return run

    return register


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def failure(kind, call):
    """The error that a call raises, which must be of this kind."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was to be raised")


def ask(input, **params):
    return client.responses.create(model="demo", input=input, **params)


def collect(stream):
    with stream:
        return list(stream)


def types(response):
    return [item.type for item in response.output]


def calls(response):
    return [item for item in response.output if item.type == "function_call"]


def function(name, **properties):
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "function", "name": name, "description": f"Does {name}.", "parameters": parameters, "strict": True}


ASK_USER = function("ask_user", question={"type": "string"})
OPEN_DOOR = function("open_door", door={"type": "integer"})


class Verdict(BaseModel):
    ok: bool
    reasons: list[str]


VERDICT = Verdict(ok=True, reasons=["because"])
SAY_VERDICT = "!say " + VERDICT.model_dump_json()


# Texts, streams and structured outputs


@scenario("plain-text")
def plain_text():
    response = ask("what is 12*7")
    equal((response.object, response.status, response.model, response.error), ("response", "completed", "demo", None))
    equal(response.output_text, "12*7 = 84.")
    assert response.usage.input_tokens > 0 and response.usage.output_tokens > 0
    equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens)
    equal(elsewhere.responses.retrieve(response.id), response)


@scenario("instructions")
def instructions():
    first = ask("!say Yes.", instructions="Answer in one word.")
    equal(first.instructions, "Answer in one word.")
    equal(ask("!say No.", previous_response_id=first.id).instructions, None)


@scenario("message-items")
def message_items():
    response = ask(
        [
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"role": "user", "content": "Which door?"},
            {"type": "message", "role": "assistant", "phase": "commentary", "content": "Let me think."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "!say The left one."}]},
        ]
    )
    equal(response.output_text, "The left one.")
    items = list(client.responses.input_items.list(response.id, order="asc"))
    equal([item.role for item in items], ["system", "developer", "user", "assistant", "user"])
    equal(items[3].phase, "commentary")


@scenario("streamed-text")
def streamed_text():
    events = collect(ask("!text 3", stream=True))
    equal(
        [event.type for event in events],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            *["response.output_text.delta"] * 3,
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ],
    )
    equal([event.sequence_number for event in events], list(range(len(events))))
    equal([event.delta for event in events if event.type == "response.output_text.delta"], ["w1 ", "w2 ", "w3 "])


@scenario("stream-helper")
def stream_helper():
    with client.responses.stream(model="demo", input="!text 12") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    equal(len(snapshots), 12)
    equal(final.output_text, snapshots[-1])
    equal(final.status, "completed")


@scenario("stream-helper-reasoning")
def stream_helper_reasoning():
    headers = {"Tailrace-Event-Names": "openai"}
    with client.responses.stream(model="demo", input="!reasoning 3\n!say Done.", extra_headers=headers) as stream:
        thoughts = [event.delta for event in stream if event.type == "response.reasoning_text.delta"]
        final = stream.get_final_response()
    equal(thoughts, ["r1 ", "r2 ", "r3 "])
    equal(final.output_text, "Done.")
    equal(final.output[0].content[0].text, "r1 r2 r3 ")
    with client.responses.stream(model="demo", input="!reasoning 3\n!say Done.") as stream:
        equal(stream.get_final_response().output_text, "Done.")


@scenario("structured-output")
def structured_output():
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
        "additionalProperties": False,
    }
    format = {"type": "json_schema", "name": "report", "schema": schema, "strict": True}
    response = ask("Invent something.", text={"format": format})
    answer = json.loads(response.output_text)
    assert isinstance(answer["city"], str) and isinstance(answer["degrees"], int)
    shown = response.text.format
    equal((shown.type, shown.name, shown.strict), ("json_schema", "report", True))


@scenario("structured-parse")
def structured_parse():
    equal(client.responses.parse(model="demo", input=SAY_VERDICT, text_format=Verdict).output_parsed, VERDICT)
    answered = client.responses.parse(model="demo", input="Is it?", text_format=Verdict)
    assert isinstance(answered.output_parsed, Verdict)


@scenario("structured-stream")
def structured_stream():
    with client.responses.stream(model="demo", input=SAY_VERDICT, text_format=Verdict) as stream:
        equal(stream.get_final_response().output_parsed, VERDICT)


@scenario("json-object")
def json_object():
    response = ask("Any JSON object.", text={"format": {"type": "json_object"}})
    assert isinstance(json.loads(response.output_text), dict)
    equal(response.text.format.type, "json_object")


@scenario("refusal")
def refusal():
    response = ask("!refuse I will not.")
    equal((response.status, response.output_text), ("completed", ""))
    equal(response.output[0].content[0].refusal, "I will not.")
    with client.responses.stream(model="demo", input="!refuse I will not.") as stream:
        deltas = [event.delta for event in stream if event.type == "response.refusal.delta"]
        final = stream.get_final_response()
    equal("".join(deltas), "I will not.")
    equal(final.output[0].content[0].refusal, "I will not.")


# What else a model says, and the parameters that it is asked with


@scenario("reasoning-content")
def reasoning_content():
    response = ask("!reasoning 2\n!say Yes.", reasoning={"effort": "low"})
    equal(response.reasoning.effort, "low")
    equal(types(response), ["reasoning", "message"])
    equal(response.output[0].summary, [])
    equal(response.output[0].content[0].text, "r1 r2 ")
    assert response.usage.output_tokens_details.reasoning_tokens > 0


@scenario("reasoning-summary")
def reasoning_summary():
    params = {"input": "!reasoning 2\n!say Yes.", "reasoning": {"summary": "auto"}}
    events = collect(ask(**params, stream=True))
    equal(
        [event.type for event in events if "reasoning" in event.type],
        [
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
        ],
    )
    equal(events[-1].response.output[0].summary[0].text, "r1 r2 ")
    with client.responses.stream(model="demo", **params) as stream:
        equal(stream.get_final_response().output[0].summary[0].text, "r1 r2 ")


@scenario("reasoning-encrypted")
def reasoning_encrypted():
    params = {"include": ["reasoning.encrypted_content"], "store": False}
    first = ask("!reasoning 2\n!say One.", **params)
    assert first.output[0].encrypted_content
    said = [item.model_dump(exclude_none=True) for item in first.output]
    question = {"role": "user", "content": "!say Two."}
    equal(ask([{"role": "user", "content": "Hi"}, *said, question], **params).output_text, "Two.")


@scenario("annotations")
def annotations():
    input = "!say As the manual says.\n!cite https://example.com/manual The manual"
    [citation] = ask(input).output[0].content[0].annotations
    equal((citation.type, citation.url, citation.title), ("url_citation", "https://example.com/manual", "The manual"))
    events = collect(ask(input, stream=True))
    [added] = [event for event in events if event.type == "response.output_text.annotation.added"]
    equal(added.annotation_index, 0)


@scenario("logprobs")
def logprobs():
    response = ask("!text 3", include=["message.output_text.logprobs"], top_logprobs=2)
    equal(response.top_logprobs, 2)
    found = response.output[0].content[0].logprobs
    equal("".join(each.token for each in found), "w1 w2 w3 ")
    assert all(each.logprob <= 0 and len(each.top_logprobs) == 2 for each in found)
    equal(ask("!text 3").output[0].content[0].logprobs, [])


@scenario("max-output-tokens")
def max_output_tokens():
    response = ask("!text 40", max_output_tokens=16)
    equal((response.status, response.incomplete_details.reason), ("incomplete", "max_output_tokens"))
    assert response.output_text.startswith("w1 w2 ")
    equal(collect(ask("!text 40", max_output_tokens=16, stream=True))[-1].type, "response.incomplete")


@scenario("echo")
def echo():
    echoed = {
        "temperature": 0.25,
        "top_p": 0.5,
        "metadata": {"order": "17"},
        "safety_identifier": "somebody",
        "prompt_cache_key": "cache-key",
        "user": "u-1",
        "truncation": "auto",
    }
    response = ask("!text 1", text={"format": {"type": "text"}, "verbosity": "low"}, **echoed)
    for shown in (response, elsewhere.responses.retrieve(response.id)):
        equal({name: getattr(shown, name) for name in echoed}, echoed)
        equal((shown.text.verbosity, shown.background, shown.tool_choice), ("low", False, "auto"))


@scenario("service-tier")
def service_tier():
    equal(ask("!tier flex\n!text 1", service_tier="flex").service_tier, "flex")
    equal(ask("!tier default\n!text 1", service_tier="priority").service_tier, "default")


@scenario("metadata")
def metadata():
    response = ask("!text 1", metadata={"a": "1", "b": "2"})
    equal(client.responses.retrieve(response.id).metadata, {"a": "1", "b": "2"})
    too_much = {f"k{n}": "v" for n in range(17)}
    equal(failure(openai.BadRequestError, lambda: ask("Hi", metadata=too_much)).param, "metadata")


@scenario("image-input")
def image_input():
    content = [
        {"type": "input_text", "text": "!say A dot."},
        {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
    ]
    response = ask([{"role": "user", "content": content}])
    equal(response.output_text, "A dot.")
    [item] = client.responses.input_items.list(response.id)
    equal([part.type for part in item.content], ["input_text", "input_image"])
    equal(item.content[1].image_url, PIXEL)


@scenario("file-input")
def file_input():
    text = base64.b64encode(b"For your information:\n!say I have read it.\n").decode()
    content = [
        {"type": "input_file", "filename": "notes.txt", "file_data": f"data:text/plain;base64,{text}"},
        {"type": "input_text", "text": "What does it say?"},
    ]
    equal(ask([{"role": "user", "content": content}]).output_text, "I have read it.")


# Functions of the client, and tools of the server


@scenario("function-round-trip")
def function_round_trip():
    script = '!call ask_user {"question":"Which door?"}\n!turn\n!say The left one, then.'
    first = ask(script, tools=[ASK_USER])
    [call] = calls(first)
    equal(json.loads(call.arguments), {"question": "Which door?"})
    second = elsewhere.responses.create(
        model="demo",
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "The left one."}],
        tools=[ASK_USER],
    )
    equal((second.status, second.output_text), ("completed", "The left one, then."))


@scenario("function-items")
def function_items():
    items = [{"role": "user", "content": '!reasoning 1\n!call ask_user {"question":"?"}\n!turn\n!say Thanks.'}]
    first = ask(items, tools=[ASK_USER], store=False)
    items += [item.model_dump(exclude_none=True) for item in first.output]
    [call] = calls(first)
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": '{"answer":42}'})
    equal(ask(items, tools=[ASK_USER], store=False).output_text, "Thanks.")


@scenario("parallel-calls")
def parallel_calls():
    script = '!call ask_user {"question":"One?"}\n!call open_door {"door":2}\n!call ask_user {"question":"Three?"}'
    events = collect(ask(script, tools=[ASK_USER, OPEN_DOOR], stream=True))
    texts = {}
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            key = (event.output_index, event.item_id)
            texts[key] = texts.get(key, "") + event.delta
    made = calls(events[-1].response)
    equal([call.name for call in made], ["ask_user", "open_door", "ask_user"])
    equal(texts, {(index, call.id): call.arguments for index, call in enumerate(made)})
    equal(len({call.call_id for call in made}), 3)


@scenario("parallel-tool-calls-false")
def parallel_tool_calls_false():
    question = "What is the weather in Paris and Oslo?"
    response = ask(question, parallel_tool_calls=False)
    equal((response.status, response.parallel_tool_calls), ("completed", False))
    made = [each for each in types(response) if each.startswith("function_call")]
    equal(made, ["function_call", "function_call_output"] * 2)
    equal(types(ask(question))[:2], ["function_call", "function_call"])


@scenario("server-tools")
def server_tools():
    question = "What is the weather in Paris?"
    response = ask(question)
    equal(types(response), ["function_call", "function_call_output", "message"])
    equal((response.output[0].name, response.output[1].status), ("get_weather", "completed"))
    assert response.output_text.startswith("In Paris it is ")
    with client.responses.stream(model="demo", input=question) as stream:
        final = stream.get_final_response()
    equal(types(final), types(response))
    equal(final.output_text, response.output_text)


@scenario("tool-choice-none")
def tool_choice_none():
    response = ask("What is the weather in Paris?", tool_choice="none")
    equal((response.status, response.tool_choice, types(response)), ("completed", "none", ["message"]))


@scenario("tool-choice-required")
def tool_choice_required():
    response = ask("Hello", tool_choice="required")
    equal((response.status, response.tool_choice), ("completed", "required"))
    equal(types(response), ["function_call", "function_call_output", "message"])


@scenario("tool-choice-function")
def tool_choice_function():
    choice = {"type": "function", "name": "open_door"}
    response = ask("Hello", tools=[ASK_USER, OPEN_DOOR], tool_choice=choice)
    equal(response.tool_choice.model_dump(), choice)
    [call] = calls(response)
    equal(call.name, "open_door")
    assert isinstance(json.loads(call.arguments)["door"], int)


@scenario("tool-choice-allowed")
def tool_choice_allowed():
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "ask_user"}]}
    response = ask("Hello", tools=[OPEN_DOOR, ASK_USER], tool_choice=choice)
    equal(response.tool_choice.model_dump(), choice)
    equal([call.name for call in calls(response)], ["ask_user"])


@scenario("max-tool-calls")
def max_tool_calls():
    script = '!call get_time {"city":"Oslo"}\n!call get_time {"city":"Rome"}\n!turn\n!say Enough.'
    response = ask(script, max_tool_calls=1)
    equal((response.status, response.output_text, response.max_tool_calls), ("completed", "Enough.", 1))
    outputs = [json.loads(item.output) for item in response.output if item.type == "function_call_output"]
    equal(outputs[0]["city"], "Oslo")
    equal(outputs[1]["error"]["code"], "max_tool_calls_exceeded")


# What the server remembers


@scenario("previous-response")
def previous_response():
    first = ask("!say One.")
    second = elsewhere.responses.create(model="demo", input="!say Two.", previous_response_id=first.id)
    equal((second.previous_response_id, second.output_text), (first.id, "Two."))
    third = ask("!say Three.", previous_response_id=second.id)
    assert third.usage.input_tokens > first.usage.input_tokens


@scenario("conversation")
def conversation():
    conversations = client.conversations
    hello = {"type": "message", "role": "user", "content": "Hello"}
    made = conversations.create(metadata={"topic": "doors"}, items=[hello])
    equal((made.object, made.metadata), ("conversation", {"topic": "doors"}))
    response = ask("!say One.", conversation=made.id)
    equal(response.conversation.id, made.id)
    elsewhere.responses.create(model="demo", input="!say Two.", conversation={"id": made.id})
    listed = list(conversations.items.list(made.id, order="asc", limit=2))
    equal([item.role for item in listed], ["user", "user", "assistant", "user", "assistant"])
    [item] = conversations.items.create(made.id, items=[{**hello, "content": "One more."}]).data
    equal(conversations.items.retrieve(item.id, conversation_id=made.id).id, item.id)
    equal(conversations.items.delete(item.id, conversation_id=made.id).id, made.id)
    failure(openai.NotFoundError, lambda: conversations.items.retrieve(item.id, conversation_id=made.id))
    equal(conversations.update(made.id, metadata={"topic": "gates"}).metadata, {"topic": "gates"})
    equal(conversations.retrieve(made.id).metadata, {"topic": "gates"})
    equal(conversations.delete(made.id).deleted, True)
    failure(openai.NotFoundError, lambda: conversations.retrieve(made.id))


@scenario("conversation-exclusive")
def conversation_exclusive():
    first = ask("!say One.")
    made = client.conversations.create()
    both = {"conversation": made.id, "previous_response_id": first.id}
    equal(failure(openai.BadRequestError, lambda: ask("!say Two.", **both)).code, "mutually_exclusive")


@scenario("item-reference")
def item_reference():
    first = ask("!say One.")
    reference = {"type": "item_reference", "id": first.output[0].id}
    second = ask([reference, {"role": "user", "content": "!say Two."}])
    equal(second.output_text, "Two.")
    items = list(client.responses.input_items.list(second.id, order="asc"))
    equal([item.role for item in items], ["assistant", "user"])
    equal(items[0].content[0].text, "One.")


@scenario("store-false")
def store_false():
    response = ask("!say Forget me.", store=False)
    equal((response.status, response.output_text), ("completed", "Forget me."))
    failure(openai.NotFoundError, lambda: client.responses.retrieve(response.id))


@scenario("delete")
def delete():
    response = ask("!say One.")
    client.responses.delete(response.id)
    failure(openai.NotFoundError, lambda: elsewhere.responses.retrieve(response.id))
    failure(openai.NotFoundError, lambda: client.responses.delete(response.id))


@scenario("input-items")
def input_items():
    texts = ["One", "Two", "Three", "!say Four."]
    response = ask([{"role": "user", "content": text} for text in texts])
    ascending = client.responses.input_items.list(response.id, limit=3, order="asc")
    equal(len(ascending.data), 3)
    equal([item.content[0].text for item in ascending], texts)
    descending = client.responses.input_items.list(response.id, limit=1)
    equal([item.content[0].text for item in descending], texts[::-1])


@scenario("compact")
def compact():
    first = ask("!say My name is Ada.")
    compacted = client.responses.compact(model="demo", previous_response_id=first.id)
    equal(compacted.object, "response.compaction")
    assert compacted.usage.total_tokens > 0
    items = [item.model_dump(exclude_none=True) for item in compacted.output]
    assert "compaction" in [item["type"] for item in items]
    equal(ask([*items, {"role": "user", "content": "!say Yes, Ada."}]).output_text, "Yes, Ada.")


@scenario("input-tokens")
def input_tokens():
    def count(input):
        return client.responses.input_tokens.count(model="demo", input=input).input_tokens

    short = count("Hello")
    assert short > 0
    assert count("Hello " * 50) > short + 40


@scenario("truncation")
def truncation():
    input = [
        {"role": "user", "content": "word " * 2_000},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": "!say Short."},
    ]
    params = {"model": "small", "input": input}
    error = failure(openai.BadRequestError, lambda: client.responses.create(**params, truncation="disabled"))
    equal((error.code, error.param), ("context_length_exceeded", "input"))
    response = client.responses.create(**params, truncation="auto")
    equal((response.status, response.output_text, response.truncation), ("completed", "Short.", "auto"))


@scenario("models")
def models():
    assert {"demo", "small"} <= {model.id for model in client.models.list()}
    equal(client.models.retrieve("demo").id, "demo")
    failure(openai.NotFoundError, lambda: client.models.retrieve("gpt-0"))


@scenario("idempotency")
def idempotency():
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = ask("!vary 3", extra_headers=headers)
    equal(elsewhere.responses.create(model="demo", input="!vary 3", extra_headers=headers), first)
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    events = collect(ask("!vary 3", stream=True, extra_headers=headers))
    again = elsewhere.responses.create(model="demo", input="!vary 3", stream=True, extra_headers=headers)
    equal(collect(again), events)
    equal(events[-1].type, "response.completed")


@scenario("idempotency-conflict")
def idempotency_conflict():
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    ask("!say One.", extra_headers=headers)
    error = failure(openai.UnprocessableEntityError, lambda: ask("!say Two.", extra_headers=headers))
    equal((error.status_code, error.code), (422, "idempotency_key_reused"))


# Work that goes on without its client


@scenario("background-poll")
def background_poll():
    begun = ask("!text 10 40", background=True)
    assert begun.status in ("queued", "in_progress"), begun.status
    deadline = time.monotonic() + 20
    now = begun
    while now.status != "completed":
        assert time.monotonic() < deadline, now.status
        time.sleep(0.05)
        now = elsewhere.responses.retrieve(begun.id)
    equal((now.background, now.created_at), (True, begun.created_at))
    assert now.output_text.endswith("w10 ")


@scenario("background-resume")
def background_resume():
    seen = []
    with ask("!reasoning 2\n!text 40 10", background=True, stream=True) as stream:
        for event in stream:
            seen.append(event)
            if len(seen) == 14:
                break
    id = seen[0].response.id
    rest = collect(elsewhere.responses.retrieve(id, stream=True, starting_after=13))
    equal(seen + rest, collect(client.responses.retrieve(id, stream=True)))
    with elsewhere.responses.stream(response_id=id, starting_after=13) as resumed:
        final = resumed.get_final_response()
    assert final.status == "completed" and final.output_text.endswith("w40 "), final


@scenario("retrieve-stream")
def retrieve_stream():
    response = ask("!text 5")
    events = collect(elsewhere.responses.retrieve(response.id, stream=True))
    equal(events[-1].type, "response.completed")
    equal(events[-1].response.to_dict(), response.to_dict())


@scenario("cancel")
def cancel():
    events = []
    cancelled = None
    with ask("!text 3\n!hang 3", background=True, stream=True) as stream:
        for event in stream:
            events.append(event)
            if event.type == "response.output_text.delta" and event.delta == "w3 ":
                cancelled = elsewhere.responses.cancel(events[0].response.id)
    equal((cancelled.status, cancelled.output_text), ("cancelled", "w1 w2 w3 "))
    assert cancelled.usage.output_tokens > 0
    equal((events[-1].type, events[-1].response.status), ("response.incomplete", "cancelled"))
    equal(client.responses.cancel(cancelled.id), cancelled)
    equal(client.responses.retrieve(cancelled.id), cancelled)


# What goes wrong


@scenario("error-parameter")
def error_parameter():
    error = failure(openai.BadRequestError, lambda: ask("Hi", temperature=3))
    equal((error.status_code, error.code, error.param), (400, "invalid_value", "temperature"))
    nested = failure(openai.BadRequestError, lambda: ask([{"type": "message", "role": "robot", "content": "Hi"}]))
    equal(nested.param, "input[0].role")


@scenario("error-unknown-parameter")
def error_unknown_parameter():
    error = failure(openai.BadRequestError, lambda: ask("Hi", extra_body={"inptu": "Hi"}))
    equal((error.code, error.param), ("unknown_parameter", "inptu"))


@scenario("error-unknown-model")
def error_unknown_model():
    error = failure(openai.NotFoundError, lambda: client.responses.create(model="gpt-0", input="Hi"))
    equal((error.code, error.param), ("model_not_found", "model"))


@scenario("error-wrong-key")
def error_wrong_key():
    stranger = client.with_options(api_key="sk-wrong")
    error = failure(openai.AuthenticationError, lambda: stranger.responses.create(model="demo", input="Hi"))
    equal((error.status_code, error.code), (401, "invalid_api_key"))


@scenario("error-unknown-response")
def error_unknown_response():
    responses = client.responses
    failure(openai.NotFoundError, lambda: responses.retrieve(UNKNOWN))
    failure(openai.NotFoundError, lambda: responses.retrieve(UNKNOWN, stream=True))
    failure(openai.NotFoundError, lambda: responses.cancel(UNKNOWN))
    failure(openai.NotFoundError, lambda: responses.delete(UNKNOWN))
    failure(openai.NotFoundError, lambda: responses.input_items.list(UNKNOWN))
    error = failure(openai.BadRequestError, lambda: ask("Hi", previous_response_id=UNKNOWN))
    equal((error.code, error.param), ("previous_response_not_found", "previous_response_id"))


@scenario("error-upstream")
def error_upstream():
    input = "!error 400 The prompt is too rude."
    response = ask(input)
    equal((response.status, response.error.code), ("failed", "upstream_error"))
    equal(response.error.message, "The model server answered 400: The prompt is too rude.")
    seen = []

    def read(stream):
        with stream:
            for event in stream:
                seen.append(event.type)

    error = failure(openai.APIError, lambda: read(ask(input, stream=True)))
    equal(error.code, "upstream_error")
    assert "too rude" in error.message
    equal(seen, ["response.created", "response.in_progress"])
    replayed = failure(openai.APIError, lambda: read(client.responses.retrieve(response.id, stream=True)))
    equal(replayed.code, "upstream_error")


def main():
    for name, run in scenarios.items():
        error = None
        try:
            run()
        except Exception:
            error = traceback.format_exc(limit=-3)
        print(json.dumps({"name": name, "error": error}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
