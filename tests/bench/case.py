"""What a case is: its stage (servers and data that it shares with others), its measurement, its floors."""

from dataclasses import dataclass
from typing import Callable, Optional

REFERENCE = "redis"
BEST = "best"
NOBODY = "nobody"


@dataclass(frozen=True)
class Floor:
    """What a figure has to be: its ratio to redis-server's in the same run or (to=BEST) to that of whoever did best, or
    (to=NOBODY) the figure itself."""

    figure: str
    at_least: Optional[float] = None
    at_most: Optional[float] = None
    to: str = REFERENCE

    def met_by(self, number):
        return number >= self.at_least if self.at_most is None else number <= self.at_most

    def __str__(self):
        sign, number = ("≤", self.at_most) if self.at_least is None else ("≥", self.at_least)
        return f"{sign} {number:g}" + {REFERENCE: " ×", BEST: " × best", NOBODY: ""}[self.to]


def rate(ratio):
    return Floor("rate", at_least=ratio)


def cpu(ratio):
    return Floor("cpu", at_most=ratio)


def at_most(figure, ratio):
    return Floor(figure, at_most=ratio)


def best_rate(ratio):
    return Floor("rate", at_least=ratio, to=BEST)


def best_cpu(ratio):
    return Floor("cpu", at_most=ratio, to=BEST)


def below(figure, limit):
    return Floor(figure, at_most=limit, to=NOBODY)


@dataclass(frozen=True)
class Stage:
    """Servers as several cases want them: the setting, and the keys that are filled in first."""

    setting: str = "always"
    keys: str = "keys"  # a field of the sizes: how many; "" for none
    commands: tuple = ("SET key:# $64",)  # that fill in, each once for every key
    one_by_one: bool = False  # they are large
    needs: tuple = ()  # commands: a server that does not know them is left out


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    stage: Stage
    measure: Callable
    floors: tuple
    prepare: Optional[Callable] = None  # once for each server, before the rounds
    rounds: Optional[int] = None  # where it wants another number
