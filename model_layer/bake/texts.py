"""The texts over which models are compared: every position of them is a context, more than 200 in all for every tokenizer.

Fixed, so that the figures of two bakes compare. Stories as students write them and other kinds of English, with dialogue, names,
numbers, a list, code and bytes beyond ASCII.
"""

TEXTS = (
    "Once upon a time there was a",
    "The train left at 7:45, and by noon they had seen the sea.",
    '"Où est le café?" she asked, and nobody knew what to say \U0001f600',
    "In 1969 three people flew to the moon. The first of them to walk on it was",
    "The old lighthouse keeper had not spoken to anyone for eleven days when the boat came. He put down his cup, took the lamp "
    "from its hook and walked down the stairs, counting them as he always did, and at the bottom he found the door already open.",
    '"I never said that," answered Maria. "You did," said her brother, "twice, and the second time you were laughing."',
    "To make bread you need flour, water, salt and yeast. Mix them in a large bowl, cover it with a cloth and let it rest for an "
    "hour. Then shape the dough, put it into a hot oven and wait until the crust is brown.",
    "The city council voted 9 to 4 on Tuesday to close the bridge for repairs, which are expected to cost $3.2 million and to "
    "last until the end of next year, according to a spokesman for the mayor.",
    "Plants take in carbon dioxide and water and, with the energy of sunlight, turn them into sugar and oxygen.",
    "Dear Sir or Madam,\n\nthank you for your letter of 12 March. I am sorry to hear that the parcel did not arrive",
    "def area(width, height):\n    return width *",
    "My favourite animals are:\n1. cats\n2. dogs\n3.",
    "She opened the box. Inside, wrapped in blue paper, lay",
    "If it does not rain tomorrow, we will",
)
