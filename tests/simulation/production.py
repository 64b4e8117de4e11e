"""What the simulator takes from production: every conditional write, found in the modules that define them."""

from payments import register
from payments.ports import Action

ACTIONS: tuple[Action, ...] = tuple(value for value in vars(register).values() if isinstance(value, Action))
