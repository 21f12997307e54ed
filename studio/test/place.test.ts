import { expect, test } from "vitest";
import { apiAddress } from "../src/api";
import { addressOf, placeOf } from "../src/place";

test("the API is where the page is, a stage's or a domain's prefix included", () => {
  expect(apiAddress("http://127.0.0.1:8000/studio#rate")).toBe("http://127.0.0.1:8000");
  expect(apiAddress("https://abc.execute-api.eu-west-1.amazonaws.com/v1/studio/")).toBe(
    "https://abc.execute-api.eu-west-1.amazonaws.com/v1",
  );
});

test("an address leads to its view, and an unknown one to the first", () => {
  const { view, query } = placeOf(addressOf("rate", { fixed: '{"api":"leonardo"}' }));
  expect(view).toBe("rate");
  expect(query.get("fixed")).toBe('{"api":"leonardo"}');
  expect(placeOf("#nothing").view).toBe("rate");
  expect(placeOf("").view).toBe("rate");
});
