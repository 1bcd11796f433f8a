"""For the PYTHONPATH of programs that tests start, as if aiohttp were not installed. Users of the extra `client` lack
it; here dashscope needs it, and openai would import it, in a fifth of its time."""

raise ImportError("aiohttp is absent")
