"""A grpcio client of the daemon, with stubs made from the .proto files as any program would."""

import csv
import importlib
import json
import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
QUESTIONS = ROOT / "tests" / "corpus" / "questions.tsv"


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """The generated modules: messages by file, and stubs by file."""
    out = tmp_path_factory.mktemp("stubs")
    files = sorted(PROTO.glob("qmd/v1/*.proto"))
    arguments = [f"-I{PROTO}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main(["protoc", *arguments, *map(str, files)]) == 0
    sys.path.insert(0, str(out))
    modules = [
        importlib.import_module(f"qmd.v1.{file.stem}_{kind}")
        for file in files
        for kind in ("pb2", "pb2_grpc")
    ]
    names = {name: value for module in modules for name, value in vars(module).items()}
    return SimpleNamespace(**names)


@pytest.fixture(scope="session")
def channel():
    """A connection to the daemon."""
    # Without it grpcio sends the socket's path as :authority, which HTTP/2 does not allow.
    options = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(f"unix:{os.environ['QMDD_SOCKET']}", options=options) as channel:
        yield channel


def dot(one, other):
    """Cosine, for unit vectors."""
    return sum(a * b for a, b in zip(one, other))


def test_it_serves(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "qmd.v1.SearchService"):
        reply = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING, service


def test_every_question_finds_its_document(api, channel):
    search = api.SearchServiceStub(channel)
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        questions = list(csv.reader(file, delimiter="\t"))
    assert questions
    for query, document in questions:
        request = api.SearchRequest(query=query, mode=api.SEARCH_MODE_HYBRID, limit=3)
        reply = search.Search(request, timeout=60)
        assert document in [hit.path for hit in reply.hits], query
        states = {report.stage: report.state for report in reply.stages}
        assert states[api.STAGE_LEXICAL] == api.STAGE_STATE_DONE
        assert states[api.STAGE_VECTOR] == api.STAGE_STATE_DONE


def test_embeddings_are_unit_vectors(api, channel):
    inference = api.InferenceServiceStub(channel)
    texts = ["a boat on a lake", "a ship at sea", "tax return"]
    request = api.EmbedRequest(inputs=[api.EmbedInput(text=text) for text in texts])
    reply = inference.Embed(request, timeout=60)
    vectors = [embedding.values for embedding in reply.embeddings]
    assert [len(vector) for vector in vectors] == [reply.dimensions] * len(texts)
    for vector in vectors:
        assert math.isclose(math.hypot(*vector), 1.0, rel_tol=1e-3)
    boat, ship, tax = vectors
    assert dot(boat, ship) > dot(boat, tax)


def test_an_error_has_a_reason_and_a_hint(api, channel):
    search = api.SearchServiceStub(channel)
    request = api.SearchRequest(query="boat", mode=api.SEARCH_MODE_LEXICAL, collections=["absent"])
    with pytest.raises(grpc.RpcError) as caught:
        search.Search(request, timeout=10)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    [detail] = rpc_status.from_call(caught.value).details
    info = error_details_pb2.ErrorInfo()
    assert detail.Unpack(info)
    assert (info.domain, info.reason) == ("qmdd", "COLLECTION_UNKNOWN")
    assert info.metadata["hint"]


def test_documents_come_by_globs_and_addresses(api, channel):
    documents = api.DocumentServiceStub(channel)
    patterns = ["money.md:1:2", "notes/workplace/*.md", "!**/retro-*", "nowhere.md"]
    request = api.MultiGetRequest(patterns=patterns, max_bytes=440)
    replies = list(documents.MultiGet(request, timeout=10))
    kinds = [reply.WhichOneof("item") for reply in replies]
    assert replies[0].document.path == "money.md"
    assert replies[0].document.line_count == 2
    assert kinds[-1] == "skipped"
    missing = replies[-1].skipped
    assert (missing.reason, missing.pattern, missing.uri) == ("DOCUMENT_NOT_FOUND", "nowhere.md", "")
    assert missing.hint
    of_work = [
        (reply.document if kind == "document" else reply.skipped)
        for reply, kind in zip(replies[1:-1], kinds[1:-1])
    ]
    backups, interviews = of_work
    assert (backups.uri, backups.reason) == ("qmd://notes/workplace/backups.md", "FILE_TOO_LARGE")
    assert backups.bytes > 440
    assert "qmdctl get" in backups.hint
    assert interviews.uri == "qmd://notes/workplace/interviews.md"
    assert interviews.body.startswith("# ")


def test_a_miss_suggests_names(api, channel):
    documents = api.DocumentServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        list(documents.MultiGet(api.MultiGetRequest(patterns=["notes/mony.md"]), timeout=10))
    [detail] = rpc_status.from_call(caught.value).details
    info = error_details_pb2.ErrorInfo()
    assert detail.Unpack(info)
    assert info.reason == "DOCUMENT_NOT_FOUND"
    assert json.loads(info.metadata["suggestions"])[0] == "qmd://notes/money.md"
