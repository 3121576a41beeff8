"""The core: distributions as wheels, and a student's session of them. It knows no HTTP and no AWS."""
