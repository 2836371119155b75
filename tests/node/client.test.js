// A grpc-js client of the daemon, as any program would write it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

const OPTIONS = { includeDirs: [path("../../proto")], enums: String, defaults: true };
const { qmd, grpc: standard } = grpc.loadPackageDefinition(
  protoLoader.loadSync(
    ["qmd/v1/search.proto", "qmd/v1/inference.proto", path("proto/health.proto")],
    OPTIONS,
  ),
);
const errors = protobuf.loadSync(path("proto/status.proto"));

// For a `unix:` target grpc-js sends "localhost" as :authority by itself.
const address = `unix:${process.env.QMDD_SOCKET}`;
const clients = [];

/** A call of `service` as a function that returns a promise. */
function caller(service) {
  const client = new service(address, grpc.credentials.createInsecure());
  clients.push(client);
  return (method, request) =>
    new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + 60_000 };
      client[method](request, options, (error, reply) => (error ? reject(error) : resolve(reply)));
    });
}

const health = caller(standard.health.v1.Health);
const search = caller(qmd.v1.SearchService);
const inference = caller(qmd.v1.InferenceService);

after(() => clients.forEach((client) => client.close()));

test("it serves", async () => {
  for (const service of ["", "qmd.v1.SearchService"]) {
    assert.equal((await health("Check", { service })).status, "SERVING", service);
  }
});

test("every question finds its document", async () => {
  const lines = readFileSync(path("../corpus/questions.tsv"), "utf8").trimEnd().split("\n");
  for (const line of lines) {
    const [query, document] = line.split("\t");
    const reply = await search("Search", { query, mode: "SEARCH_MODE_HYBRID", limit: 3 });
    const found = reply.hits.map((hit) => hit.path);
    assert.ok(found.includes(document), `${query}: ${found}`);
    const done = reply.stages.filter(({ state }) => state === "STAGE_STATE_DONE");
    assert.deepEqual(done.map(({ stage }) => stage).sort(), ["STAGE_LEXICAL", "STAGE_VECTOR"]);
  }
});

test("embeddings are unit vectors", async () => {
  const texts = ["a boat on a lake", "a ship at sea", "tax return"];
  const reply = await inference("Embed", { inputs: texts.map((text) => ({ text })) });
  const [boat, ship, tax] = reply.embeddings.map(({ values }) => values);
  const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);
  for (const vector of [boat, ship, tax]) {
    assert.equal(vector.length, reply.dimensions);
    assert.ok(Math.abs(dot(vector, vector) - 1) < 1e-3);
  }
  assert.ok(dot(boat, ship) > dot(boat, tax));
});

test("an error has a reason and a hint", async () => {
  const request = { query: "boat", mode: "SEARCH_MODE_LEXICAL", collections: ["absent"] };
  const error = await search("Search", request).then(assert.fail, (error) => error);
  assert.equal(error.code, grpc.status.NOT_FOUND);
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const [detail] = errors.lookupType("google.rpc.Status").decode(bytes).details;
  assert.equal(detail.type_url, "type.googleapis.com/google.rpc.ErrorInfo");
  const info = errors.lookupType("google.rpc.ErrorInfo").decode(detail.value);
  assert.deepEqual([info.domain, info.reason], ["qmdd", "COLLECTION_UNKNOWN"]);
  assert.ok(info.metadata.hint);
});
