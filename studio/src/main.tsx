import { render } from "preact";
import { App } from "./app";
import { ChoiceOf } from "./choice";
import "./style/tokens.css";
import "./style/frame.css";

const place = document.getElementById("studio");
if (place !== null) {
  render(
    <ChoiceOf>
      <App />
    </ChoiceOf>,
    place,
  );
}
