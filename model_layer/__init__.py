"""The model side: serves GPT-2 from folders, bakes them, trains them. It knows no AWS and no HTTP."""
