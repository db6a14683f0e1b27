"""The El Farol bar problem (Arthur 1994, American Economic Review 84(2), 406-411)."""

from typing import Annotated

import numpy as np

from populace import Choice, Parameter, Population, World
from populace.kernel.parameters import Parametric


class ElFarol(World):
    """A bar that is worth going to on a Thursday only if at most 60 per cent of the town go."""

    def __init__(
        self,
        people: Annotated[int, Parameter("who live in town", low=1)] = 100,
        room: Annotated[float, Parameter("share above which it is crowded", low=0, high=1)] = 0.6,
    ):
        self.people = Population(people, nights=np.int32)
        self.room = room
        self.share = 0.0

    async def step(self, minds):
        answers = await minds.ask(
            "go", self.people, Choice(["stay", "go"]), see=["nights"], last=self.share
        )
        went = answers.chose("go")
        self.people.nights += went
        self.share = float(went.mean())

    def measure(self):
        return {"attendance": self.share, "crowded": int(self.share > self.room)}

    def policies(self):
        return {"regular": Regular()}


class Regular(Parametric):
    """Goes with a fixed probability, whatever happened: the symmetric mixed strategy."""

    def __init__(self, p: Annotated[float, Parameter("probability of going", low=0, high=1)] = 0.6):
        self.p = p

    def act(self, observation):
        return observation.random.bernoulli(p=self.p)
