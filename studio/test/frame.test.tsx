import { cleanup, render, screen } from "@testing-library/preact";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { App } from "../src/app";
import { ChoiceOf } from "../src/choice";

afterEach(() => {
  cleanup();
  localStorage.clear();
  sessionStorage.clear();
});

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

test("the language is switched in place", async () => {
  vi.spyOn(globalThis, "fetch").mockImplementation(async () => json({ studies: [], next_cursor: null }));
  render(
    <ChoiceOf initial={{ language: "en" }}>
      <App />
    </ChoiceOf>,
  );
  await userEvent.click(screen.getByRole("button", { name: "ES" }));
  expect(screen.getByRole("link", { name: "Historial" })).toBeTruthy();
  await vi.waitFor(() => expect(document.documentElement.lang).toBe("es"));
});

test("a key is asked for once, and a wrong one is said plainly", async () => {
  const problem = { type: "about:blank", title: "Forbidden", status: 403, detail: "Forbidden" };
  vi.spyOn(globalThis, "fetch").mockImplementation(async (request) =>
    (request as Request).headers.get("x-api-key") === "right"
      ? json({ studies: [{ name: "kitchens", archived_at: null }], next_cursor: null })
      : json(problem, 403),
  );
  render(
    <ChoiceOf initial={{ language: "en" }}>
      <App />
    </ChoiceOf>,
  );
  const field = await screen.findByLabelText("API key");
  expect(screen.queryByText(/does not know this key/)).toBeNull();
  await userEvent.type(field, "wrong{Enter}");
  await screen.findByText(/does not know this key/);
  await userEvent.type(screen.getByLabelText("API key"), "right{Enter}");
  await screen.findByRole("option", { name: "kitchens" });
});

test("a view that cannot be fetched is said as what to do, and the page is not loaded while the server is away", async () => {
  vi.doMock("../src/history/history-view", () => {
    throw new Error("Unable to preload CSS for http://127.0.0.1/studio/history-view.css");
  });
  location.hash = "#history";
  vi.spyOn(globalThis, "fetch").mockImplementation(async () => json({ studies: [], next_cursor: null }));
  render(
    <ChoiceOf initial={{ language: "es" }}>
      <App />
    </ChoiceOf>,
  );
  const said = await screen.findByText(/No se ha podido traer esta parte/);
  expect(said.textContent).not.toContain("preload");
  const reload = vi.spyOn(location, "reload").mockImplementation(() => {});
  const asked = vi.spyOn(globalThis, "fetch").mockRejectedValueOnce(new TypeError("Failed to fetch"));
  await userEvent.click(screen.getByRole("button", { name: "Intentar de nuevo" }));
  await vi.waitFor(() => expect(asked).toHaveBeenCalledWith(location.href, { cache: "no-store" }));
  await asked.mock.results.at(-1)?.value.catch(() => {});
  expect(reload).not.toHaveBeenCalled();
  asked.mockResolvedValueOnce(new Response("page"));
  await userEvent.click(screen.getByRole("button", { name: "Intentar de nuevo" }));
  await vi.waitFor(() => expect(reload).toHaveBeenCalledOnce());
  vi.doUnmock("../src/history/history-view");
  location.hash = "";
});

test("the modes are those of the API's search space, and one that it has not gives way to its first", async () => {
  const counts = { portrait: 0, night_sky: 0 };
  vi.spyOn(globalThis, "fetch").mockImplementation(async () =>
    json({ studies: [{ name: "default", archived_at: null, counts }], next_cursor: null }),
  );
  const choice = () => JSON.parse(localStorage.getItem("studio.choice") ?? "{}");
  const open = () =>
    render(
      <ChoiceOf initial={{ language: "en" }}>
        <App />
      </ChoiceOf>,
    );
  open();
  const option = await screen.findByRole("option", { name: "night_sky" });
  expect(screen.queryByRole("option", { name: "surfaces" })).toBeNull();
  await vi.waitFor(() => expect(choice().mode).toBe("portrait"));

  await userEvent.selectOptions(option.closest("select") ?? option, "night_sky");
  await vi.waitFor(() => expect(choice().mode).toBe("night_sky"));
  cleanup();
  open();
  await screen.findByRole("option", { name: "night_sky" });
  expect((screen.getByLabelText("mode", { exact: false }) as HTMLSelectElement).value).toBe("night_sky");
});
