"""Assistants of customers and of businesses who search, write, offer and pay in a marketplace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.columns import column
from populace.kernel.errors import ParameterError
from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Choice, Number, Record, Text
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.worlds.marketplace import rules
from populace.worlds.marketplace.day import Day, Texts, listed
from populace.worlds.marketplace.domains import DomainName
from populace.worlds.marketplace.domains import domain as named
from populace.worlds.marketplace.market import Floats, Ints, Making, Market, draw
from populace.worlds.marketplace.scores import measures, results
from populace.worlds.marketplace.search import Search, search
from populace.worlds.speaking import Speaking

PROMPTS = Path(__file__).parent / "prompts" / "marketplace.toml"
"""Prompts with which a language model deals on either side: ``Language(model, PROMPTS)``."""
REMEMBERING = Path(__file__).parent / "prompts" / "marketplace_memory.toml"
"""Prompts for a mind with a memory: ``Language(..., memory=Memory(...))``."""

_MADE = "the markets are set up at the start"
_YES = Choice(("no", "yes"))


class Marketplace(World):
    """Two-sided markets of assistants, many side by side (Bansal et al. 2025, arXiv:2510.25779).

    Each customer wants some goods from a business with some amenities; that is worth `worth` times
    the goods' mean price to it, and anything else nothing. Each tick is a day on which every
    customer shops once for the same need. (1) **Search**: asked ``search``, a query, to which the
    platform answers with a page of `considered` businesses (`populace.worlds.marketplace.search`).
    (2) **Message**: asked ``message``, a text that goes to all of the page. (3) **Reply**: each
    business is asked ``reply`` for each of its customers: whether it makes an offer, whether it
    says that it has all amenities, the price, and words. (4) **Decide**: the replies reach a
    customer one by one (or `arrivals` at a time) in random order; as one comes it is asked
    ``decide``, the number of the offer that it pays for, or 0 to wait. The day of a customer ends
    with a payment or the last reply. Its utility is the value, if its need is met in truth, less
    the price. Who does not decide searches with its need, writes it, makes no offer, waits.

    Customers see in words their ``need``, what was ``found`` and the ``offers``, and as numbers the
    ``value``, how many offers they have ``seen`` and replies are ``waiting``; and in arrays of
    shape (n, considered), in order of arrival and with NaN for no offer, ``price``, the ``place``
    in the search and ``letters`` of the words, what is ``said`` of the amenities and who offers,
    ``business`` (-1: nobody). Businesses see ``name``, ``menu``, ``amenities``, the ``goods`` and
    ``wishes`` of a customer, its ``message``, the ``total`` by their menu (NaN if they lack a
    good), whether their amenities ``fits``, and the highest price, ``most``. In the evening
    customers are told ``heard`` (``words``: the offers that reached them) and ``bought``
    (``reward``, the utility; ``business``, ``name``, ``price``, ``met``), and businesses ``sold``
    (``reward``, the day's revenue; ``offers``, ``sales``).

    Attributes
    ----------
    customers : Population
        Columns ``market``, ``value``, ``optimum`` (utility of the best choice there is) and
        ``best`` (the row of that business).
    businesses : Population
        Columns ``market``, ``revenue`` and ``sales`` of all days.
    each : list of Market
    day : Day or None
        What happened on the last day: pages, replies and payments.
    """

    ticks = 10
    charts = (
        Chart("Welfare", ["welfare", "met"], unit="share",
              note="Utility of all customers, of the most there is; share whose need was met."),
        Chart("Welfare by mind", ["welfare_of"], unit="share of the optimum", by="mind"),
        Chart("First offers", ["first", "chance"], unit="share of payments",
              note="For the offer that came first, and what chance alone would give."),
        Chart("First offers by mind", ["first_of"], unit="share of payments", by="mind"),
        Chart("Sales", ["sales_of"], unit="share of offers", by="business",
              note="How many offers are paid for, by the business's mind."),
        Chart("Revenue", ["revenue_of"], unit="a business and day", by="business"),
    )  # fmt: skip

    def __init__(
        self,
        domain: Annotated[DomainName, Parameter("what is sold", fixed=_MADE)] = "restaurants",
        markets: Annotated[int, Parameter("markets side by side", low=1, fixed=_MADE)] = 10,
        customers: Annotated[int, Parameter("of a market", low=1, fixed=_MADE)] = 33,
        rivals: Annotated[
            int, Parameter("businesses with all that a customer asks for", low=1, fixed=_MADE)
        ] = 3,
        lacking: Annotated[
            int, Parameter("of those, how many lack an amenity", low=0, fixed=_MADE)
        ] = 1,
        goods: Annotated[int, Parameter("most goods of a customer", low=1, high=8, fixed=_MADE)] = (
            3
        ),
        spread: Annotated[
            float, Parameter("standard deviation of prices", "of the mean", 0, 1, fixed=_MADE)
        ] = 0.15,
        worth: Annotated[
            float, Parameter("what goods are worth", "mean prices", 0, fixed=_MADE)
        ] = 2.0,
        search: Annotated[Search, Parameter("how the platform finds businesses")] = "lexical",
        considered: Annotated[int, Parameter("businesses of a page", low=1, high=1000)] = 10,
        arrivals: Annotated[int, Parameter("replies that arrive together; 0: all", low=0)] = 1,
        letters: Annotated[int, Parameter("longest text", "characters", low=10)] = 1000,
    ) -> None:
        if lacking >= rivals:
            raise ParameterError(
                f"expected lacking < rivals, so that each need can be met, got {lacking}, {rivals}",
                where="Marketplace",
            )
        self.making = Making(customers, rivals, lacking, goods, spread=spread)
        self.domain, self.markets, self.worth = domain, markets, worth
        self.search, self.considered, self.arrivals = search, considered, arrivals
        self.letters = letters
        self.customers = Population(
            markets * customers,
            market=np.repeat(np.arange(markets, dtype=np.int32), customers),
            value=np.float64,
            optimum=np.float64,
            best=np.int64,
        )
        self.businesses = Population(
            markets * self.making.businesses,
            market=np.repeat(np.arange(markets, dtype=np.int32), self.making.businesses),
            revenue=np.float64,
            sales=np.int64,
        )
        self.each: list[Market] = []
        self._searched: list[Any] = [None] * markets
        self._pages: list[Ints] = [np.empty((0, 0), np.int64)] * markets
        self.day: Day | None = None

    def start(self, streams: Streams) -> None:
        """Draw the markets; market m is the same whatever the number of markets."""
        domain, people = named(self.domain), self.customers
        self.each = [
            draw(self.making, domain, streams.stream(f"market/{m}")) for m in range(self.markets)
        ]
        self.most = float(np.ceil(100 * domain.prices[1]))
        people.value = np.concatenate([each.values(self.worth) for each in self.each])
        found = [each.best() for each in self.each]
        b = self.making.businesses
        people.best = np.concatenate([row + m * b for m, (row, _) in enumerate(found)])
        price = np.concatenate([price for _, price in found])
        people.optimum = np.maximum(people.value - price, 0)
        self._write()

    def _write(self) -> None:
        """Say in words what customers need and businesses have."""
        domain = named(self.domain)
        goods, wishes, menus, amenities = [], [], [], []
        for each in self.each:
            for order, wants in zip(each.orders, each.wants, strict=True):
                goods.append(listed([each.goods[i] for i in order if i >= 0]))
                wishes.append(_amenities(domain.amenities, wants))
            for prices, has in zip(each.prices, each.has, strict=True):
                sold = np.flatnonzero(~np.isnan(prices)).tolist()
                menus.append(", ".join(f"{each.goods[i]} {prices[i]:.2f}" for i in sold))
                amenities.append(_amenities(domain.amenities, has))
        needs = [
            f"{domain.request} {some} {domain.having} {wished}."
            for some, wished in zip(goods, wishes, strict=True)
        ]
        names = [name for each in self.each for name in each.names]
        self.names, self.menus, self.amenities = column(names), column(menus), column(amenities)
        self.goods, self.wishes, self.needs = column(goods), column(wishes), column(needs)

    async def step(self, minds: Minds) -> None:
        found = await self._find(minds)
        order = minds.stream("arrivals").uniform(self.customers, size=self.considered)
        self.day = day = Day(found, order)
        await self._reply(minds, day, await self._message(minds, found))
        self._describe(day)
        await self._decide(minds, day)
        self._settle(minds, day)

    # -- a day -----------------------------------------------------------------------------------

    async def _find(self, minds: Minds) -> Ints:
        """Return what each customer's search finds: rows of businesses, padded with -1."""
        asked = await minds.ask(
            "search", self.customers, Text(self.letters), missing="", need=self.needs
        )
        queries = np.where(asked.values == "", self.needs, asked.values).tolist()
        c, b = self.making.customers, self.making.businesses
        for m, each in enumerate(self.each):
            asked_for = (self.search, self.considered, queries[m * c : (m + 1) * c])
            if self._searched[m] != asked_for:  # else all is found again as yesterday
                page = search(each, asked_for[2], self.search, self.considered)
                self._searched[m] = asked_for
                self._pages[m] = np.where(page >= 0, page + m * b, -1)
        return np.concatenate(self._pages)

    async def _message(self, minds: Minds, found: Ints) -> Texts:
        names = [", ".join(self.names[page[page >= 0]]) for page in found]
        asked = await minds.ask(
            "message",
            self.customers,
            Text(self.letters),
            missing="",
            need=self.needs,
            found=column(names),
        )
        return np.asarray(np.where(asked.values == "", self.needs, asked.values))

    async def _reply(self, minds: Minds, day: Day, messages: Texts) -> None:
        """Ask businesses for a reply to each customer, to one customer at a time."""
        space = Record(
            offer=_YES, amenities=_YES, price=Number(0, self.most), words=Text(self.letters)
        )
        missing = {"offer": "no", "amenities": "no", "price": 0, "words": ""}
        total, fits = self._truth(day)
        for customer, place in day.sittings():
            row = day.page[customer, place]
            answers = await minds.ask(
                "reply",
                self.businesses[row],
                space,
                missing=missing,
                business=named(self.domain).business,
                name=self.names[row],
                menu=self.menus[row],
                amenities=self.amenities[row],
                goods=self.goods[customer],
                wishes=self.wishes[customer],
                message=messages[customer],
                total=total[customer, place],
                fits=fits[customer, place],
                most=self.most,
            )
            day.replied(customer, place, answers)
        day.met = day.offer & ~np.isnan(total) & fits

    def _truth(self, day: Day) -> tuple[Floats, NDArray[np.bool_]]:
        """Return price by the menu and whether the amenities fit, of all on the pages."""
        c, b = self.making.customers, self.making.businesses
        total = np.full(day.page.shape, np.nan)
        fits = np.zeros(day.page.shape, np.bool_)
        who = np.arange(c)[:, None]
        for m, each in enumerate(self.each):
            rows = slice(m * c, (m + 1) * c)
            page = day.page[rows]
            business = np.maximum(page - m * b, 0)
            total[rows] = np.where(page >= 0, each.quote(who, business), np.nan)
            fits[rows] = (page >= 0) & each.fits(who, business)
        return total, fits

    def _describe(self, day: Day) -> None:
        """Say in words what each reply offers, as its customer reads it."""
        at = np.nonzero(day.offer)
        columns = (self.names[day.page[at]], day.price[at], day.said[at], self.wishes[at[0]])
        rows = zip(*(each.tolist() for each in (*columns, day.words[at])), strict=True)
        day.words[at] = [
            f"{name}: {price:.2f} for all of it; says that it {'has' if said else 'does not have'} "
            f"{wishes}. It writes: {' '.join(words.split())}"
            for name, price, said, wishes, words in rows
        ]

    async def _decide(self, minds: Minds, day: Day) -> None:
        """Let replies arrive, and ask those whom a new one reached."""
        people = self.customers
        for asked in day.rounds(self.arrivals):
            part = people[asked.rows]
            answers = await minds.ask(
                "decide",
                part,
                Number(0, asked.seen, integer=True),
                see=["value"],
                missing=0,
                need=self.needs[asked.rows],
                offers=asked.text,
                **asked.shown,
            )
            day.paid(asked, answers)

    def _settle(self, minds: Minds, day: Day) -> None:
        """Book the day's payments, and tell both sides."""
        people, shops = self.customers, self.businesses
        buyers = np.flatnonzero(day.chosen >= 0)
        place = day.chosen[buyers]
        row, price = day.page[buyers, place], day.price[buyers, place]
        met = day.met[buyers, place]
        day.utility[buyers] = np.where(met, people.value[buyers], 0.0) - price
        n = shops.rows
        revenue = np.bincount(row, price, minlength=n)
        sales = np.bincount(row, minlength=n)
        shops.revenue += revenue
        shops.sales += sales
        offers = np.bincount(day.page[day.offer], minlength=n)
        heard = people[day.mind >= 0]
        if len(heard):
            minds.tell("heard", heard, words=day.read[heard.rows], day=minds.tick + 1)
        if len(buyers):
            minds.tell(
                "bought",
                people[buyers],
                reward=day.utility[buyers],
                business=row,
                name=self.names[row],
                price=price,
                met=met,
                day=minds.tick + 1,
            )
        minds.tell("sold", shops, reward=revenue, offers=offers, sales=sales, day=minds.tick + 1)

    # -- results ---------------------------------------------------------------------------------

    def results(self) -> dict[str, NDArray[Any]]:
        """Return columns of a row a customer: its last day.

        ``offers`` that it had, ``paid``, the ``price``, ``rank`` of the offer it took by arrival
        (1 is the first; 0: none), ``met``, ``utility``, and the ``optimum``.
        """
        return {} if self.day is None else results(self.day, self.customers)

    def measure(self) -> Mapping[str, float | By | None]:
        if self.day is None:
            return {}
        return measures(self.day, self.customers, self.businesses)

    def policies(self) -> Mapping[str, Policy]:
        spoken = {"language": Speaking(PROMPTS), "remembering": Speaking(REMEMBERING, memory=True)}
        return {**rules.customers(), **rules.businesses(), **spoken}

    def shares(self) -> Mapping[str, Mapping[str, float]]:
        spoken = ("language", "remembering")
        customers = dict.fromkeys((*rules.customers(), *spoken), 0.0)
        businesses = dict.fromkeys((*rules.businesses(), *spoken), 0.0)
        customers |= {"perfect": 1, "first_fit": 1, "first_proposal": 1, "cheapest": 1}
        return {"customers": customers, "businesses": businesses | {"truthful": 4, "liar": 1}}


def _amenities(names: list[str], has: NDArray[np.bool_]) -> str:
    return listed([names[i] for i in np.flatnonzero(has).tolist()]) or "none"
