"""Are golden seeds also golden with another model, or with other sampling?"""
