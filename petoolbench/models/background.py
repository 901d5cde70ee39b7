"""An event loop in a thread of its own, for code that is not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Background:
    """A running event loop; what is still at work when the block ends is cancelled."""

    def __enter__(self) -> Background:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="petoolbench-background", daemon=True)
        self._thread.start()
        return self

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for one piece of work."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def map(
        self, work: Callable[[Item], Coroutine[Any, Any, Result]], items: Iterable[Item], most: int
    ) -> Iterator[Result]:
        """Yield results as they come, with at most ``most`` items at work; no more than those are taken ahead."""
        running: set[Future[Result]] = set()
        for item in items:
            running.add(asyncio.run_coroutine_threadsafe(work(item), self._loop))
            if len(running) >= most:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from _results(done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from _results(done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _results(done: Iterable[Future[Result]]) -> Iterator[Result]:
    """Yield what was reached before what failed is raised, so that a fault takes no result with it."""
    for future in sorted(done, key=lambda future: future.exception() is not None):
        yield future.result()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
