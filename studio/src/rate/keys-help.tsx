/** Which keys do what, and whether they do: single letters get in the way of those who speak to their computer. */

import { useChoice } from "../choice";

interface Props {
  isOpen: boolean;
  areOn: boolean;
  onOpen(isOpen: boolean): void;
  onSwitch(areOn: boolean): void;
}

export function KeysHelp({ isOpen, areOn, onOpen, onSwitch }: Props) {
  const { words } = useChoice();
  return (
    <details class="keys" open={isOpen} onToggle={(event) => onOpen(event.currentTarget.open)}>
      <summary>{words.rate.keys}</summary>
      <dl>
        {words.rate.keyList.map(([keys = "", does]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input type="checkbox" checked={areOn} onChange={(event) => onSwitch(event.currentTarget.checked)} />
        {words.rate.keysOn}
      </label>
    </details>
  );
}
