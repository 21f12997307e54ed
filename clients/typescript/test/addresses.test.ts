import { expect, test } from "vitest";
import { answered, captionOfUpload, connect } from "../src/index.js";

/** A connection, and the paths that it asked for. */
function watched() {
  const paths: string[] = [];
  const fetch = async (request: Request) => {
    paths.push(new URL(request.url).pathname);
    return new Response(JSON.stringify({ status: "captioned" }), { headers: { "Content-Type": "application/json" } });
  };
  return { paths, api: connect({ baseUrl: "https://api.example/v1", fetch }) };
}

test.each([
  "uploads/5f0c/two dogs + été 🐶.jpg",
  "uploads/a?b=c&d#e/100%/%2e%2e/x",
  "uploads/a\\b;v=1,2/{key}/:@!$'()*/...",
  "uploads//..a/a../",
])("the key %j arrives as it is, each of its parts encoded", async (key) => {
  const { api, paths } = watched();
  await captionOfUpload(api, key);
  expect(paths).toHaveLength(1);
  expect(paths[0]).not.toMatch(/[ +?#{}\\]/);
  expect(decodeURIComponent(paths[0]?.replace("/v1/captions/", "") ?? "")).toBe(key);
});

test.each([
  ["", "empty"],
  ["uploads/../secret.jpg", '".."'],
  ["..", '".."'],
  ["uploads/./a.jpg", '"."'],
  ["uploads/\ud83d.jpg", "half of a character"],
])("the key %j, which would ask for another address, is refused and nothing is sent", async (key, why) => {
  const { api, paths } = watched();
  await expect(captionOfUpload(api, key)).rejects.toThrow(RangeError);
  await expect(captionOfUpload(api, key)).rejects.toThrow(why);
  expect(paths).toEqual([]);
});

test("names of studies and ids are one part of an address: a slash in them is encoded, dots alone are refused", async () => {
  const { api, paths } = watched();
  await answered(api.GET("/ml/studies/{name}", { params: { path: { name: "a/b c" } } }));
  expect(paths).toEqual(["/v1/ml/studies/a%2Fb%20c"]);
  // Of an address without the name, the answer would be the list of all studies.
  for (const name of ["", ".", ".."])
    await expect(answered(api.GET("/ml/studies/{name}", { params: { path: { name } } }))).rejects.toThrow(RangeError);
  await expect(answered(api.DELETE("/ml/history/{id}", { params: { path: { id: ".." } } }))).rejects.toThrow(
    RangeError,
  );
  expect(paths).toHaveLength(1);
});
