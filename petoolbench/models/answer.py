"""One answer while it is being written."""

from __future__ import annotations

from typing import Any

from ..schema import Prediction
from .chat import Asked
from .closing import ClosingWatch
from .guided import GrammarError, Guide
from .protocol import Generation
from .reading import read_answer
from .sampling import draws

_UNFINISHED = "\ufffd"


class Answer:
    """The tokens that a model wrote for one instance so far, and whether it is done.

    Args:
        asked: What the model was asked.
        generation: How it answers.
        tokenizer: Makes text of tokens.
        ends: The tokens with which a model ends its turn.
        guide: What it may write; None lets it write anything.
    """

    def __init__(
        self, asked: Asked, generation: Generation, tokenizer: Any, ends: frozenset[int], guide: Guide | None = None
    ) -> None:
        self.asked = asked
        self.guide = guide
        self.tokens: list[int] = []
        self.finish: str | None = None
        self.seconds = 0.0
        """What it took, and its share of what it took together with others."""
        self._generation = generation
        self._tokenizer = tokenizer
        self._ends = ends
        self._draws = draws(generation.seed, asked.instance.id)
        self._watch = ClosingWatch(asked.opening, tagged=asked.tagged)
        self._closed: int | None = None
        self._shown = self._read = 0

    def draw(self) -> float:
        """Return the next random number of this answer, from 0 to 1."""
        return self._draws.random()

    def take(self, token: int) -> bool:
        """Add the next token; return whether the answer goes on after it."""
        self.tokens.append(token)
        if self.guide is not None:
            self.guide.take(token)
            if self.guide.complete:
                self.finish = "closed"
        elif token in self._ends:
            self.finish = "stop"
        else:
            self._closed = self._watch.feed(self._piece())
            if self._closed is not None:
                self.finish = "closed"
        if self.finish is None and len(self.tokens) >= self._generation.max_new_tokens:
            self.finish = "length"
        return self.finish is None

    @property
    def seed(self) -> int:
        """Which decides its draws together with its instance's id."""
        return self._generation.seed

    def prediction(self) -> Prediction:
        """Return the finished answer."""
        known = Prediction(
            id=self.asked.instance.id,
            seconds=round(self.seconds, 3),
            prompt_tokens=len(self.asked.ids),
            completion_tokens=len(self.tokens),
            dropped=self.asked.prompt.dropped,
            finish=self.finish,
        )
        try:
            return known.model_copy(update=read_answer(self._text(), self.asked.prompt))
        except GrammarError as error:
            return known.model_copy(update={"error": f"--guided: {error}"})

    def _text(self) -> str:
        if self.guide is not None:
            return self.guide.whole_text()
        if self._closed is not None:
            return self._watch.text[: self._closed]
        tokens = self.tokens[:-1] if self.finish == "stop" else self.tokens
        return self.asked.opening + self._decode(tokens)

    def _piece(self) -> str:
        """Return the text that the last token adds; bytes of an unfinished character wait for the rest."""
        before = self._decode(self.tokens[self._shown : self._read])
        now = self._decode(self.tokens[self._shown :])
        if now.endswith(_UNFINISHED) or len(now) <= len(before):
            return ""
        self._shown, self._read = self._read, len(self.tokens)
        return now[len(before) :]

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
