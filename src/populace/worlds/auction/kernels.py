"""Orders through the books, one after another, compiled."""

from __future__ import annotations

from typing import Any

from populace.kernel.jit import jit


@jit
def submit(
    market: Any,
    trader: Any,
    price: Any,
    side: Any,
    limits: Any,
    units: Any,
    traded: Any,
    quote: Any,
    since: Any,
    clock: Any,
    rules: Any,
    result: Any,
    partner: Any,
    paid: Any,
) -> None:
    """Put orders into the books: see `populace.worlds.auction.clearing.Books.submit`."""
    improve, cleared, solvent = rules[0], rules[1], rules[2]
    for k in range(market.size):
        m, i, p = market[k], trader[k], price[k]
        partner[k], paid[k] = -1, 0
        if p == 0:
            result[k] = 3 if quote[m, i] > 0 else 0
            quote[m, i] = 0
            continue
        own, sign = side[m, i], 1 if side[m, i] == 0 else -1
        if traded[m, i] >= units[m, i]:
            result[k] = 0
            continue
        if solvent and sign * p > sign * limits[m, i, traded[m, i]]:
            result[k] = 0
            continue
        rival, ahead = -1, False
        for j in range(side.shape[1]):
            q = quote[m, j]
            if q == 0:
                continue
            if side[m, j] == own:
                ahead = ahead or sign * q >= sign * p  # somebody, or oneself, offers as much
            elif sign * p >= sign * q:
                if rival < 0:
                    rival = j
                else:
                    best = quote[m, rival]
                    if sign * q < sign * best or (q == best and since[m, j] < since[m, rival]):
                        rival = j
        if improve and ahead:
            result[k] = 0
            continue
        if rival < 0:
            quote[m, i], since[m, i] = p, clock[m]
            clock[m] += 1
            result[k] = 1
            continue
        result[k], partner[k], paid[k] = 2, rival, quote[m, rival]
        traded[m, i] += 1
        traded[m, rival] += 1
        quote[m, i] = quote[m, rival] = 0
        if cleared:
            for j in range(side.shape[1]):
                quote[m, j] = 0
