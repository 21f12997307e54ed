/** What the page says, in English. Spanish has the same entries: its type is made from this one. */

export const en = {
  shell: {
    title: "Studio",
    study: "study",
    mode: "mode",
    rater: "rater",
    raterPlaceholder: "your name here",
    raterHint: "A pseudonym: it is kept with every rating.",
    docs: "docs",
    language: "Language",
    tabs: { rate: "Rate", progress: "Progress", history: "History", captions: "Captions" },
    modes: { structure: "structure", surfaces: "surfaces" } as Record<string, string>,
    archived: "archived",
    loading: "Loading…",
    skip: "Skip to the content",
    copy: "Copy",
    copied: "Copied",
    notCopied: "The browser did not allow it: select the text and copy it.",
    close: "Close",
    cancel: "Cancel",
  },
  key: {
    title: "This stack asks for a key",
    text: "Whoever deployed it can show it. It is kept until this tab is closed, and is sent to this stack only.",
    label: "API key",
    send: "Use this key",
    wrong: "The stack does not know this key. See that it is whole, without spaces.",
  },
  problem: {
    offline: "The server does not answer. What you did is kept; try again when it is back.",
    again: "Try again",
    throttled: (seconds: number) => `Too many requests at once. Try again in ${seconds} s.`,
    failed: "The server failed. Try again; if it stays, whoever runs it finds the reason in the logs under",
    unavailable: "The storage is unavailable at the moment. Try again in a few seconds.",
  },
  rate: {},
  progress: {},
  history: {},
  captions: {},
};

export type Words = typeof en;
