import { cleanup, render, screen } from "@testing-library/preact";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { App } from "../src/app";
import { ChoiceOf } from "../src/choice";
import { mayBeUnsaved } from "../src/unsaved";

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

describe("a view that cannot be fetched", () => {
  let isAway = false;

  beforeEach(() => {
    isAway = false;
    location.hash = "#history";
    vi.spyOn(globalThis, "fetch").mockImplementation(async (asked) => {
      if (asked !== location.href) return json({ studies: [], next_cursor: null });
      if (isAway) throw new TypeError("Failed to fetch");
      return new Response("page");
    });
  });
  afterEach(() => {
    vi.doUnmock("../src/history/history-view");
    location.hash = "";
  });

  function open() {
    // Once it has failed, Vitest would load the view itself.
    vi.doMock("../src/history/history-view", () => {
      throw new Error("Unable to preload CSS for http://127.0.0.1/studio/history-view.css");
    });
    const reload = vi.spyOn(location, "reload").mockImplementation(() => {});
    render(
      <ChoiceOf initial={{ language: "es" }}>
        <App />
      </ChoiceOf>,
    );
    return reload;
  }

  test("is of another version: the page loads itself again, once, and then says so", async () => {
    const reload = open();
    await vi.waitFor(() => expect(reload).toHaveBeenCalledOnce());
    expect(screen.queryByRole("alert")).toBeNull();
    cleanup();
    open();
    await screen.findByText(/^El servidor tiene una versión más nueva de esta página\. Vuelva a cargarla: /);
    expect(reload).toHaveBeenCalledOnce();
    await userEvent.click(screen.getByRole("button", { name: "Volver a cargar la página" }));
    await vi.waitFor(() => expect(reload).toHaveBeenCalledTimes(2));
  });

  test("is not worth what a person would lose: the page says what that is", async () => {
    let keeps = true;
    mayBeUnsaved(() => keeps);
    const reload = open();
    await screen.findByText(/se pierden la lista de imágenes de Descripciones/);
    expect(reload).not.toHaveBeenCalled();
    keeps = false;
  });

  test("is not worth a loop where the browser remembers nothing", async () => {
    vi.spyOn(sessionStorage, "setItem").mockImplementation(() => {
      throw new DOMException("denied", "SecurityError");
    });
    const reload = open();
    await screen.findByText(/^El servidor tiene una versión más nueva/);
    expect(reload).not.toHaveBeenCalled();
  });

  test("while the server is away, the page stays, and says that", async () => {
    isAway = true;
    const reload = open();
    const said = await screen.findByText(/^El servidor no responde/);
    expect(said.textContent).not.toContain("preload");
    await userEvent.click(screen.getByRole("button", { name: "Intentar de nuevo" }));
    await vi.waitFor(() => expect(fetch).toHaveBeenCalledWith(location.href, { cache: "no-store" }));
    expect(reload).not.toHaveBeenCalled();
    isAway = false;
    await userEvent.click(screen.getByRole("button", { name: "Intentar de nuevo" }));
    await vi.waitFor(() => expect(reload).toHaveBeenCalledOnce());
  });
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
