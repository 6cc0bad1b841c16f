// Questions to the server that follow what is going on: asked when there is news, and no answer is drawn over a later one.

import { Refusal, Unreachable } from "/static/api.js";
import { say } from "/static/dom.js";

/** One kind of question of a view. */
export class Latest {
  turn = 0;
  drawn = 0;

  /**
   * Asks when `facts` differ from those of the last question, and hands the answer to `draw` unless that of a later
   * question was drawn before. What was refused is told once, and asked again when there is news; a server that was gone is
   * asked again by the next call.
   */
  async read(facts, ask, draw) {
    const text = JSON.stringify(facts);
    if (this.asked === text) return;
    this.asked = text;
    this.turn += 1;
    const { turn } = this;
    let answer;
    try {
      answer = await ask();
    } catch (error) {
      if (error instanceof Refusal) say(error.message);
      else if (!(error instanceof Unreachable)) throw error;
      else if (turn === this.turn) this.asked = null;
      return;
    }
    if (turn <= this.drawn) return;
    this.drawn = turn;
    draw(answer);
  }

  /** The next call asks, whatever is known, and what was asked before is not drawn any more. */
  forget() {
    this.asked = null;
    this.drawn = this.turn;
  }
}

/** The answer, or `instead` where the server refused it: one part that is missing does not hold up the others. */
export function unlessRefused(answer, instead) {
  return answer.catch((error) => {
    if (error instanceof Refusal) return instead;
    throw error;
  });
}
